package launch

import (
	"errors"
	"io/fs"
	"os"
)

// Renew makes again what somebody has removed from the runtime directory of a living
// worker's: the note of its launch, the socket that it sends messages to, and its
// XDG_RUNTIME_DIR, which is empty then. It is called by whoever may call the worker's
// other methods.
func (w *Worker) Renew() error {
	if !w.Lives() {
		return nil
	}
	return errors.Join(w.renewNote(), w.renewNotify(), w.renewDirectory())
}

func isGone(path string) bool {
	_, err := os.Lstat(path)
	return path != "" && errors.Is(err, fs.ErrNotExist)
}

func (w *Worker) renewNote() error {
	if w.noted == "" || !isGone(w.note) {
		return nil
	}
	return os.Symlink(w.noted, w.note)
}

// renewNotify binds another socket at the path that the worker knows.
func (w *Worker) renewNotify() error {
	was := w.notify
	if was == nil || !isGone(was.path) || !w.spec.notifies() {
		return nil
	}
	if err := w.openNotify(); err != nil {
		return err
	}
	go was.conn.Close() // nobody knows what the worker has left there, see socket.CloseFd
	return nil
}

// renewDirectory leaves out a worker whose account is not the one that it was launched as.
func (w *Worker) renewDirectory() error {
	n, err := parseNote(w.noted)
	if err != nil || n.UID != w.spec.Account.UID || !isGone(w.Belongings.Directory) {
		return nil
	}
	return w.fillDirectory(w.Belongings.Directory)
}
