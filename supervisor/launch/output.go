package launch

import (
	"os"
	"regexp"

	"supd/privdrop"
	"supd/supervisor/output"
)

// captureFrom begins to write what the worker prints into its log.
func (w *Worker) captureFrom(pipe *os.File) {
	w.capture = w.spec.Log.CaptureAs(w.spec.File(), pipe, w.onLine(), w.fields()...)
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
		want = regexp.MustCompile(ready) // configs has compiled it before
	}
	return func(line []byte) {
		if w.spec.Heard {
			w.tail.add(line)
		}
		if !found && want.Match(line) {
			found = true
			w.spec.Report.Ready("logged the line")
		}
	}
}

// pipe is a worker's output: supd's end and the worker's.
type pipe struct {
	read  *os.File
	write *os.File
}

func newPipe(a *privdrop.Account) (*pipe, error) {
	r, w, err := output.Pipe(a.UID, a.GID)
	return &pipe{r, w}, err
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
