package launch

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"supd/configs"
	"supd/supervisor/record"
)

// Note is what supd writes down of a launch before there is a process: the next supd
// knows by it a worker that is in no record. Everything else about such a process
// anybody could have made.
//
// It is a symbolic link that leads nowhere, in a directory that only supd may enter:
// that is made in one step, and where it is short it needs no block of a full file
// system.
type Note struct {
	Token   string // SUPD_TOKEN
	UID     int    // that the worker is launched as
	Pipe    uint64 // inode of its output
	Errors  uint64 // inode of standard error alone; 0: it has none
	Statsd  uint16 // port on 127.0.0.1; 0 is none
	Port    uint64 // inode of that port's socket
	Version string // "": the app has no releases
	Sockets []uint64
}

// tokenVariable is in the environment of a worker, and of nothing else that supd
// starts.
const tokenVariable = "SUPD_TOKEN"

// newToken is what nobody can guess.
func newToken() string { return rand.Text() }

func (n Note) String() string {
	fields := []string{n.Token, strconv.Itoa(n.UID), n.pipes(), strconv.Itoa(int(n.Statsd)), strconv.FormatUint(n.Port, 10), n.Version}
	for _, inode := range n.Sockets {
		fields = append(fields, strconv.FormatUint(inode, 10))
	}
	return strings.Join(fields, " ")
}

// pipes are one field, as of before there were two of them.
func (n Note) pipes() string {
	text := strconv.FormatUint(n.Pipe, 10)
	if n.Errors != 0 {
		text += "," + strconv.FormatUint(n.Errors, 10)
	}
	return text
}

func (n *Note) parsePipes(text string) (err error) {
	both, alone, told := strings.Cut(text, ",")
	if n.Pipe, err = strconv.ParseUint(both, 10, 64); err == nil && told {
		n.Errors, err = strconv.ParseUint(alone, 10, 64)
	}
	return err
}

func parseNote(text string) (n Note, err error) {
	fields := strings.Split(text, " ")
	if len(fields) < 6 || len(fields[0]) < len(newToken()) {
		return n, fmt.Errorf("%.100q is no note of a launch", text)
	}
	var errs [4]error
	n.Token, n.Version = fields[0], fields[5]
	n.UID, errs[0] = strconv.Atoi(fields[1])
	errs[1] = n.parsePipes(fields[2])
	port, bad := strconv.ParseUint(fields[3], 10, 16)
	n.Statsd, errs[2] = uint16(port), bad
	n.Port, errs[3] = strconv.ParseUint(fields[4], 10, 64)
	err = errors.Join(errs[:]...)
	for _, field := range fields[6:] {
		inode, bad := strconv.ParseUint(field, 10, 64)
		n.Sockets, err = append(n.Sockets, inode), errors.Join(err, bad)
	}
	if err != nil {
		return n, fmt.Errorf("%.100q is no note of a launch", text)
	}
	return n, nil
}

// Belongings are those that the note tells of. Its sockets have no names.
func (n Note) Belongings() record.Belongings {
	b := record.Belongings{Pipe: n.Pipe, ErrorPipe: n.Errors, Statsd: n.Statsd, StatsdInode: n.Port, Sockets: map[string]uint64{}}
	for i, inode := range n.Sockets {
		b.Sockets["noted "+strconv.Itoa(i)] = inode
	}
	return b
}

// Notes reads those of all launches, by the name of the launch. One that cannot be
// used is left out, with an error.
func Notes(runtime configs.Runtime) (map[string]Note, error) {
	entries, err := os.ReadDir(runtime.Launches())
	notes, errs := map[string]Note{}, []error{err}
	for _, e := range entries {
		path := runtime.Launch(e.Name())
		text, err := os.Readlink(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var n Note
		if err == nil {
			n, err = parseNote(text)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
			continue
		}
		notes[e.Name()] = n
	}
	return notes, errors.Join(errs...)
}

// writeNote writes down what is made for the worker, and returns its token.
func (w *Worker) writeNote() (token string, err error) {
	b := w.Belongings
	n := Note{Token: newToken(), UID: w.spec.Account.UID, Pipe: b.Pipe, Errors: b.ErrorPipe, Statsd: b.Statsd, Port: b.StatsdInode}
	if w.spec.Release != nil {
		n.Version = w.spec.Release.Name
	}
	for _, inode := range b.Sockets {
		n.Sockets = append(n.Sockets, inode)
	}
	w.note, w.noted = w.launcher.Runtime.Launch(w.spec.File()), n.String()
	err = os.Symlink(w.noted, w.note)
	if errors.Is(err, fs.ErrExist) { // of an earlier supd
		if err = os.Remove(w.note); err == nil {
			err = os.Symlink(w.noted, w.note)
		}
	}
	if err != nil {
		return "", fmt.Errorf("note of the launch: %w", err)
	}
	return n.Token, nil
}

// notedUID is whom the worker was launched as, by its note; supds of before the notes
// have left none.
func (w *Worker) notedUID() (uid int, ok bool) {
	text, err := os.Readlink(w.note)
	if err != nil {
		return 0, false
	}
	n, err := parseNote(text)
	return n.UID, err == nil
}

// removeNote removes it, whoever has written it.
func (w *Worker) removeNote() error {
	if err := os.Remove(w.note); w.note != "" && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
