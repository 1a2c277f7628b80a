package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"supd/configs"
	"supd/privdrop/prose"
	"supd/supervisor/api"
	"supd/supervisor/control"
)

// oldName is the name under which supctl takes the command lines of supervisord's client
// and answers in its form, with its exit codes: a link to supctl is called so.
const oldName = "supervisorctl"

// Exit codes of supervisorctl. Of several that are not 0 the last counts.
const (
	oldFailed     = 1
	oldUsage      = 2
	oldDead       = 3 // status: not all run
	oldUnknown    = 4 // status: no such process, or nobody answers
	oldNotRunning = 7
)

// old is one call of supctl under its old name.
type old struct {
	*call
	quit bool // the shell is left
}

// oldPlaces are where supervisord looks for its file by itself: whoever names one of them
// means the one supervisord of the machine, whose place supd has taken.
var oldPlaces = []string{"/etc/supervisord.conf", "/etc/supervisor/supervisord.conf"}

// runOld carries out a command line of supervisorctl's and gives its exit code.
func runOld(ctx context.Context, args []string, in io.Reader, stdout, stderr io.Writer) int {
	out := &written{Writer: stdout}
	o := &old{call: &call{out: prose.Writer{To: out}, err: prose.Writer{To: stderr}}}
	words, err := o.options(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		o.help(ctx, nil)
	case err != nil:
		fmt.Fprintf(o.err, "Error: %s\n", err)
		return oldUsage
	case len(words) == 0:
		o.shell(ctx, in)
	default: // an argument may hold several words: Ansible's "signal HUP"
		o.line(ctx, strings.Join(words, " "))
	}
	if out.error() != nil {
		fmt.Fprintf(o.err, "Error: the output is lost: %s\n", out.error())
		return oldFailed
	}
	return o.code
}

// options reads what comes before the action.
func (o *old) options(args []string) ([]string, error) {
	flags := pflag.NewFlagSet(oldName, pflag.ContinueOnError)
	flags.SetInterspersed(false)
	flags.Usage = func() {}
	file := flags.StringP("configuration", "c", "", "")
	url := flags.StringP("serverurl", "s", "", "")
	flags.StringP("username", "u", "", "") // the kernel tells supd who asks: a name adds nothing to that,
	flags.StringP("password", "p", "", "") // nor does a password
	flags.StringP("history-file", "r", "", "")
	flags.BoolP("interactive", "i", false, "")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	o.socket = defaultSocket()
	switch {
	case *url != "":
		path, isUnix := strings.CutPrefix(*url, "unix://")
		if !isUnix || !filepath.IsAbs(path) {
			return nil, fmt.Errorf("-s %s: supd listens on a unix socket alone; want unix:// and its path, such as unix://%s", *url, o.socket)
		}
		o.socket = path
	case *file != "" && os.Getenv("SUPD_SOCKET") == "":
		return flags.Args(), o.fromFile(*file)
	}
	return flags.Args(), nil
}

// fromFile takes the socket from the file that -c names, if it is supd's. A file of one of
// several supervisords does not say which supd is meant.
func (o *old) fromFile(path string) error {
	if filepath.Ext(path) != ".toml" {
		if slices.Contains(oldPlaces, path) {
			return nil
		}
		return fmt.Errorf("-c %s: that is no file of supd's, and does not tell which supd is meant; want -c /etc/supd/supd.toml, -s unix://PATH, or SUPD_SOCKET in the environment", path)
	}
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("-c: %w", err)
	}
	_, at, err := configs.Directories(path)
	if err != nil {
		return fmt.Errorf("-c %s: %w", path, err)
	}
	o.socket = at.Socket
	return nil
}

// line carries out one action.
func (o *old) line(ctx context.Context, text string) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return
	}
	do := o.action(words[0])
	if do == nil {
		o.say("*** Unknown syntax: %s", text)
		o.code = oldFailed
		return
	}
	if err := do(ctx, words[1:]); err != nil {
		o.refused(ctx, words[0], err)
	}
}

// action finds an action by its name; nil: there is none.
func (o *old) action(name string) func(context.Context, []string) error {
	return map[string]func(context.Context, []string) error{
		"status": o.status, "start": o.start, "stop": o.stop, "restart": o.restart, "signal": o.signal, "pid": o.pid,
		"tail": o.tail, "maintail": o.maintail, "clear": o.clear, "fg": o.fg,
		"reread": o.reread, "update": o.update, "add": o.add, "remove": o.remove, "avail": o.avail,
		"reload": o.reload, "shutdown": o.shutdown, "version": o.version, "help": o.help, "?": o.help, "exit": o.exit, "quit": o.exit,
	}[name]
}

const oldHelp = `supervisorctl [-c FILE] [-s unix://PATH] [ACTION [ARGUMENT...]]

This is supd's supctl under the name of supervisord's client. It takes the same actions
and answers in the same form; without an action it asks for them. See supctl --help for
all that supd can do.

  status [NAME...]                what runs, a line for each process
  start NAME..., stop NAME..., restart NAME...
  signal SIGNAL NAME...
  pid [NAME...|all]               of supd, or of processes
  tail [-f|-BYTES] NAME           the end of what a process has printed
  maintail [-f|-BYTES]            the end of supd's own log
  clear NAME...                   empty the logs of processes
  reread                          which apps the files of the configuration change
  update [APP...]                 apply these changes
  add APP..., remove APP...       apply the file of an app that is new, or gone
  avail                           what is configured
  reload                          apply all changes, and restart everything
  shutdown, version, help, exit

A NAME is app:process, app:process_00 (one of several workers, counted from 0), app:*,
all, or anything that supctl takes.
`

func (o *old) help(_ context.Context, _ []string) error {
	_, err := io.WriteString(o.out, oldHelp)
	return err
}

func (o *old) exit(context.Context, []string) error {
	o.say("")
	o.quit = true
	return nil
}

// say writes a line of an answer. supervisorctl has no other output.
func (o *old) say(format string, args ...any) { fmt.Fprintf(o.out, format+"\n", args...) }

// because tells what the form of the answer has no place for.
func (o *old) because(name, why string) {
	fmt.Fprintf(o.err, "%s: %s: %s\n", oldName, name, printable(why))
}

// usage refuses a line that lacks something, or has too much.
func (o *old) usage(code int, format string, args ...any) error {
	o.say("Error: "+format, args...)
	o.code = code
	return nil
}

// refused says what kept an action from being carried out at all.
func (o *old) refused(ctx context.Context, action string, err error) {
	o.code = oldFailed
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(o.err, "supervisorctl: interrupted; supd goes on with what it has begun")
		o.code = codeInterrupted
	case !control.NoAnswer(err):
		o.say("ERROR: %s", err)
	case action == "shutdown":
		o.say("ERROR: %s (already shut down?)", o.absence())
	default:
		o.say("%s", o.absence())
		o.code = absent(action)
	}
}

// absent is the exit code of an action that finds nobody to ask.
func absent(action string) int {
	switch action {
	case "status":
		return oldUnknown
	case "reread", "update", "add", "remove", "avail", "reload":
		return oldFailed
	default:
		return oldNotRunning
	}
}

// absence says that nobody answers.
func (o *old) absence() string {
	if _, err := os.Lstat(o.socket); errors.Is(err, fs.ErrNotExist) {
		return "unix://" + o.socket + " no such file"
	}
	return "unix://" + o.socket + " refused connection"
}

const oldPrompt = "supervisor> "

// shell shows the status, and carries out what it reads, a line at a time. What came of
// that is no matter of its exit code.
func (o *old) shell(ctx context.Context, in io.Reader) {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(in); s.Scan(); {
			select {
			case lines <- s.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	o.line(ctx, "status")
	for !o.quit {
		fmt.Fprint(o.out, oldPrompt)
		text, more := "", false
		select {
		case text, more = <-lines:
		case <-ctx.Done():
		}
		if !more {
			o.say("")
			break
		}
		o.line(ctx, text)
	}
	o.code = api.CodeDone
}
