package launch

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"supd/privdrop"
	"supd/supervisor/output"
	"supd/supervisor/record"
)

// stream is what a worker prints to.
type stream int

const (
	stdout  stream = iota // and standard error, where the two are not told apart
	stderr                // by itself
	streams               // how many there may be
)

// file is the name of what is held of a stream, and passed through an execve.
func (s stream) file(launch string) string {
	if s == stderr {
		return launch + errorSuffix
	}
	return launch
}

const errorSuffix = ".stderr"

// OfOutput is the name of the launch whose output is held under a name.
func OfOutput(held string) (launch string) { return strings.TrimSuffix(held, errorSuffix) }

// captureFrom begins to write what the worker prints into its log.
func (w *Worker) captureFrom(s stream, pipe *os.File) { w.captures[s] = w.capture(s, pipe) }

func (w *Worker) capture(s stream, pipe *os.File) *output.Capture {
	fields := w.fields()
	if w.Belongings.ErrorPipe != 0 {
		fields = append(fields, output.Field{Name: output.StreamField, Value: [streams]string{"stdout", "stderr"}[s]})
	}
	return w.log.CaptureAs(s.file(w.spec.File()), pipe, w.onLine(), fields...)
}

// eachCapture does something with what reads the worker.
func (w *Worker) eachCapture(do func(stream, *output.Capture)) {
	for s, c := range w.captures {
		if c != nil {
			do(stream(s), c)
		}
	}
}

// onLine looks for the line that means ready, and remembers the last ones.
func (w *Worker) onLine() func([]byte) {
	ready := w.spec.Process.Ready.Log
	if ready == "" && !w.spec.Heard {
		return nil
	}
	found := ready == ""
	var want *regexp.Regexp
	if !found {
		want = regexp.MustCompile(ready) // configs has read it before
	}
	return func(line []byte) {
		if w.spec.Heard {
			w.tail.add(line)
		}
		if !found && want.Match(line) {
			found, want = true, nil // which is held by every worker
			w.spec.Report.Ready("logged the line")
		}
	}
}

// pipe is an output of a worker: supd's end and the worker's.
type pipe struct {
	read  *os.File
	write *os.File
}

func newPipe(a *privdrop.Account) (*pipe, error) {
	r, w, err := output.Pipe(a.UID, a.GID)
	if err != nil {
		return nil, fmt.Errorf("pipe for the output: %w", err)
	}
	return &pipe{r, w}, nil
}

func (p *pipe) worker() int { return int(p.write.Fd()) }

// take hands supd's end over.
func (p *pipe) take() *os.File {
	r := p.read
	p.read = nil
	return r
}

func (p *pipe) close() {
	p.write.Close()
	if p.read != nil {
		p.read.Close()
	}
}

// pipes are the outputs of a worker, by stream; of stderr it is nil where both are one.
type pipes [streams]*pipe

func newPipes(s Spec) (p pipes, err error) {
	if p[stdout], err = newPipe(s.Account); err == nil && s.Process.Log.TellsStreams() {
		p[stderr], err = newPipe(s.Account)
	}
	if err != nil {
		p.close()
	}
	return p, err
}

// workers are the descriptors that the worker gets as standard output and error.
func (p pipes) workers() []int {
	if p[stderr] == nil {
		return []int{p[stdout].worker(), p[stdout].worker()}
	}
	return []int{p[stdout].worker(), p[stderr].worker()}
}

// note writes down what they are. What has no inode nobody takes over.
func (p pipes) note(b *record.Belongings) {
	b.Pipe, _ = output.PipeInode(p[stdout].read)
	if p[stderr] != nil {
		b.ErrorPipe, _ = output.PipeInode(p[stderr].read)
	}
}

func (p pipes) close() {
	for _, one := range p {
		if one != nil {
			one.close()
		}
	}
}
