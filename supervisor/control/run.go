package control

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/supervisor"
	"supd/supervisor/api"
)

// A client that asks for a command leaves HTTP once supd has said that it will run it
// (101): it sends one message with the three descriptors that the command is to have
// (SCM_RIGHTS in unix(7)), and after that the number of each signal that it passes on, a byte
// each. supd answers with one CommandEnd or Error, and closes. The connection is the one on
// which the kernel has told who asks. Nobody sends before the 101, since what came earlier
// would be read without its descriptors.

// runProtocol is what the connection is upgraded to.
const runProtocol = "supd-run"

const (
	mostArguments = 1024
	longestTerm   = 64
	// signalPause is between two signals of a client, so that they are no load.
	signalPause = 10 * time.Millisecond
)

// Passed are the signals that a client may send. TSTP stops the command.
var Passed = []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGTERM, unix.SIGCONT, unix.SIGTSTP, unix.SIGWINCH}

// run lets a command run for the client, and tells it the end.
func (s *Server) run(w http.ResponseWriter, r *http.Request) error {
	s.runs.Add(1)
	defer s.runs.Done()
	request, err := s.readCommand(w, r)
	if err != nil {
		return err
	}
	m := &meeting{w: w, over: make(chan struct{})}
	defer m.end()
	end, err := s.daemon.RunFor(request, m.meet)
	if refused, is := errors.AsType[*supervisor.CommandError](err); is {
		err = fail(refused.Code, "%s", refused)
	}
	if m.conn == nil {
		return err
	}
	m.answer(end, err)
	return nil
}

// readCommand reads the request, of who may ask.
func (s *Server) readCommand(w http.ResponseWriter, r *http.Request) (request api.CommandRequest, err error) {
	who := peerFrom(r)
	if s.isStranger(who) {
		return request, s.refuse(who, "run", fmt.Sprintf("only %s, and who is named in operators, may run commands", whoMayAct()))
	}
	if _, err := parameters(r); err != nil {
		return request, err
	}
	if r.Header.Get("Upgrade") != runProtocol {
		return request, fail(api.CodeUsage, "upgrade %q: want %s, for the descriptors of the command", r.Header.Get("Upgrade"), runProtocol)
	}
	if err := readJSON(w, r, &request); err != nil {
		return request, err
	}
	if wrong := commandProblem(request); wrong != "" {
		return request, fail(api.CodeUsage, "run: %s", wrong)
	}
	if _, err := chooseApp(s.daemon.Status(), request.App); err != nil {
		return request, err
	}
	request.By = who.String()
	return request, s.mayRun(r, request)
}

// mayRun refuses a command of an app to who may not operate it, and to everybody where its
// file does not allow any: root needs no supd for one.
func (s *Server) mayRun(r *http.Request, request api.CommandRequest) error {
	what := "run commands of " + request.App
	if err := s.permit(r, what, s.daemon.Rights().MayOperate, "operators", request.App); err != nil {
		return err
	}
	if !s.daemon.Rights().MayRun(request.App) {
		return s.refuse(peerFrom(r), what, fmt.Sprintf("allow_run is not set in the file of %s, and without it nobody may %s through supd", request.App, what))
	}
	return nil
}

// commandProblem says why nobody can run that, or "".
func commandProblem(r api.CommandRequest) string {
	switch {
	case len(r.Argv) == 0 || r.Argv[0] == "":
		return "no command"
	case len(r.Argv) > mostArguments:
		return fmt.Sprintf("%d arguments: want %d at most", len(r.Argv), mostArguments)
	case slices.ContainsFunc(r.Argv, func(arg string) bool { return strings.IndexByte(arg, 0) >= 0 }):
		return "an argument has a NUL byte in it"
	case len(r.Term) > longestTerm || strings.ContainsFunc(r.Term, func(c rune) bool { return c > unicode.MaxASCII || !unicode.IsPrint(c) }):
		return fmt.Sprintf("term: want at most %d printable characters", longestTerm)
	case r.Version != "":
		return configs.VersionProblem(r.Version)
	}
	return ""
}

// meeting is that of a client with its command.
type meeting struct {
	w    http.ResponseWriter
	conn *net.UnixConn // once the client was told that the command will run
	all  net.Conn      // the same, to be closed
	over chan struct{} // closed when it is
}

// meet leaves HTTP, and takes the descriptors.
func (m *meeting) meet() (c supervisor.Caller, err error) {
	conn, buffer, err := http.NewResponseController(m.w).Hijack()
	if err != nil {
		return c, err
	}
	m.all = conn
	if v, is := conn.(*visit); is {
		m.conn, _ = v.Conn.(*net.UnixConn)
	}
	if m.conn == nil || buffer.Reader.Buffered() > 0 {
		m.end()
		return c, errors.New("a client that says more than was asked for")
	}
	_ = conn.SetDeadline(time.Now().Add(requestTime))
	if _, err := io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+runProtocol+"\r\n\r\n"); err != nil {
		return c, err
	}
	if c.Files, err = receiveFiles(m.conn); err != nil {
		return c, fail(api.CodeUsage, "run: %s", err)
	}
	_ = conn.SetDeadline(time.Time{})
	signals := make(chan unix.Signal)
	go m.readSignals(signals)
	c.Signals = signals
	return c, nil
}

// readSignals reads until the client is gone, or says what is no signal.
func (m *meeting) readSignals(to chan<- unix.Signal) {
	defer close(to)
	for {
		var one [1]byte
		if _, err := m.conn.Read(one[:]); err != nil || !slices.Contains(Passed, unix.Signal(one[0])) {
			return
		}
		select {
		case to <- unix.Signal(one[0]):
			time.Sleep(signalPause)
		case <-m.over:
			return
		}
	}
}

// answer tells the client how it has ended.
func (m *meeting) answer(end *api.CommandEnd, err error) {
	var answer any = end
	if err != nil {
		e, is := errors.AsType[*Error](err)
		if !is {
			e = fail(api.CodeFailed, "%s", err)
		}
		answer = e
	}
	_ = m.conn.SetWriteDeadline(time.Now().Add(writeTime))
	_ = encode(m.conn, answer) // it fails only when the client has gone
}

// end is called when nothing is to be said any more.
func (m *meeting) end() {
	if m.all != nil {
		close(m.over)
		m.all.Close()
		m.all = nil
	}
}
