package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"supd/supervisor/api"
	"supd/supervisor/control"
)

// interactive reports whether there is a terminal to read keys from and to draw on.
func (c *call) interactive() bool {
	return c.in != nil && term.IsTerminal(int(c.in.Fd())) && isTerminal(c.out) && ansi()
}

// topLive draws until a key or a signal ends it; that is its normal end.
func (c *call) topLive(ctx context.Context, client *control.Client, o topOptions) error {
	first, err := client.Figures(ctx, o.targets...)
	if err != nil {
		return err
	}
	release, err := seize(c.in, c.out)
	if err != nil {
		return failed("terminal: %s", err)
	}
	defer release() // also when this goroutine, which is the one that computes, panics
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, unix.SIGWINCH, unix.SIGCONT)
	defer signal.Stop(resized)
	view := topView{now: first, apps: o.apps, key: sortKeys[o.sort]}
	keys, looks, size := readKeys(ctx, c.in), lookAgain(ctx, client, o), sizeOf(c.out)
	for {
		width, height := size()
		if err := redraw(c.out, view.lines(width, height, c.colored())); err != nil {
			return failed("terminal: %s", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-resized:
		case l := <-looks:
			view.take(l.figures, l.err)
		case key, open := <-keys:
			if !open || !view.press(key, height/2) {
				return nil
			}
		}
	}
}

// seize makes the terminal top's, in a screen of its own. release puts back what was.
func seize(in *os.File, out io.Writer) (release func(), err error) {
	was, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, err
	}
	_ = draw(out, "\x1b[?1049h\x1b[?25l\x1b[2J") // other screen, no cursor: xterm's, which all have
	return func() {
		_ = draw(out, "\x1b[?25h\x1b[?1049l")
		_ = term.Restore(int(in.Fd()), was)
	}, nil
}

// redraw writes over what is there, in one piece, so that nothing flickers.
func redraw(out io.Writer, lines []string) error {
	var b strings.Builder
	b.WriteString("\x1b[H") // cursor home: ECMA-48
	for i, line := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(line + "\x1b[K") // erase the rest of the line
	}
	b.WriteString("\x1b[J") // and what is below
	return draw(out, b.String())
}

// look is an answer of supd.
type look struct {
	figures *api.Figures
	err     error
}

// lookAgain asks supd again and again, also while there is none.
func lookAgain(ctx context.Context, client *control.Client, o topOptions) <-chan look {
	looks := make(chan look)
	go func() {
		wait := o.interval
		for {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return
			}
			f, err := client.Figures(ctx, o.targets...)
			if wait = o.interval; err != nil {
				wait = min(wait, knockTime)
			}
			select {
			case looks <- look{f, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return looks
}

// readKeys reads until the terminal has gone. A read that is under way when top ends
// ends with supctl.
func readKeys(ctx context.Context, in io.Reader) <-chan string {
	keys := make(chan string)
	go func() {
		defer close(keys)
		for text := make([]byte, 64); ; {
			n, err := in.Read(text)
			for _, key := range parseKeys(text[:n]) {
				select {
				case keys <- key:
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	return keys
}

const ctrlC = "\x03"

// parseKeys gives the keys that a terminal has sent: a character stands for itself, and
// of control sequences (ECMA-48) those of four keys are known.
func parseKeys(text []byte) (keys []string) {
	for len(text) > 0 {
		if text[0] != 0x1b {
			keys, text = append(keys, string(text[:1])), text[1:]
			continue
		}
		end := 1
		if end < len(text) && (text[end] == '[' || text[end] == 'O') {
			end++
			for end < len(text) && (text[end] < 0x40 || text[end] > 0x7e) {
				end++
			}
			end = min(end+1, len(text))
		}
		if key := sequences[string(text[1:end])]; key != "" {
			keys = append(keys, key)
		}
		text = text[end:]
	}
	return keys
}

// sequences are those of cursor keys, in both of their modes.
var sequences = map[string]string{"[A": "up", "OA": "up", "[B": "down", "OB": "down", "[5~": "page up", "[6~": "page down"}
