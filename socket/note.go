package socket

import (
	"errors"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// A Set notes in keep where each of its unix sockets is, by a symbolic link that leads
// nowhere: "whois/web:/run/whois.sock". So the next supd can remove the path of a
// socket that the configuration has elsewhere by then, or not any more.
const noteSuffix = ".path"

// note is the name of the note about a socket with this second name.
func (l *link) note() string {
	if l.own {
		return path.Base(l.dir.path) + noteSuffix
	}
	return l.name + noteSuffix
}

// writeNotes makes the notes those of the sockets that there are, and removes the paths
// that others are about.
func (s *Set) writeNotes() error {
	if s.keep == nil {
		return nil
	}
	names, err := s.keep.names()
	if err != nil {
		return err
	}
	missing := map[string]string{}
	for key, sock := range *s.live.Load() {
		if sock.kept != nil {
			missing[sock.kept.note()] = key + ":" + sock.at.path
		}
	}
	s.patience = clearTime
	for _, name := range names {
		base, isNote := strings.CutSuffix(name, noteSuffix)
		if !isNote {
			continue
		}
		said, e := s.keep.readLink(name)
		switch want, is := missing[name]; {
		case is && said == want:
			delete(missing, name)
			continue
		case !is && e == nil:
			var left bool
			if left, e = s.clear(base, said); left {
				continue
			}
		}
		err = errors.Join(err, e, s.keep.remove(name, 0))
	}
	for name, text := range missing {
		err = errors.Join(err, s.keep.fail("note", name, unix.Symlinkat(text, s.keep.fd, name)))
	}
	return err
}

// noteAnew replaces the note about a socket that was bound anew.
func (s *Set) noteAnew(key string, old, fresh *Socket) error {
	if s.keep == nil || fresh.kept == nil {
		return nil
	}
	var err error
	if old.kept != nil {
		err = s.keep.remove(old.kept.note(), 0)
	}
	name := fresh.kept.note()
	return errors.Join(err, s.keep.fail("note", name, unix.Symlinkat(key+":"+fresh.at.path, s.keep.fd, name)))
}

// forgetNote removes the note about a socket that was closed.
func (s *Set) forgetNote(sock *Socket) error {
	if s.keep == nil || sock.kept == nil {
		return nil
	}
	return s.keep.remove(sock.kept.note(), 0)
}

const (
	// clearTime is how long is waited for a directory of which a path is to be removed.
	clearTime = 250 * time.Millisecond
	// clearLateTime is how long for each other one then.
	clearLateTime = 10 * time.Millisecond
)

var errNoAnswer = errors.New("its disk does not answer")

// openSoon opens a directory that may be on a disk that does not answer.
func (s *Set) openSoon(dir string) (*directory, error) {
	type opened struct {
		dir *directory
		err error
	}
	done := make(chan opened, 1)
	go func() {
		d, err := openBy(Spec{}.way(), dir)
		done <- opened{d, err}
	}()
	late := time.NewTimer(s.patience)
	defer late.Stop()
	select {
	case now := <-done:
		return now.dir, now.err
	case <-late.C:
	}
	s.patience = clearLateTime
	go func() {
		if late := <-done; late.err == nil {
			late.dir.close()
		}
	}()
	return nil, errNoAnswer
}

// clear removes the path that a note is about, if it still leads to the socket that had
// it, with its second name. It is left while somebody listens there, unless the
// socket is elsewhere now: it may be that of an app which is held back for a while.
func (s *Set) clear(base, note string) (left bool, err error) {
	key, at, _ := strings.Cut(note, ":")
	if s.hasPath(at) {
		return false, nil
	}
	parent, err := s.openSoon(path.Dir(at))
	if errors.Is(err, errNoAnswer) {
		return true, nil // the next Apply tries again
	}
	if errors.Is(err, unix.ENOENT) || files.IsUntrusted(err) {
		return false, nil // where the app could lead root by now, its path is left
	}
	if err != nil {
		return true, err
	}
	defer parent.close()
	second := &link{dir: s.keep, name: base}
	if isPrivate(base) {
		if second = ownLinkIn(parent, base); second == nil {
			return false, nil
		}
	}
	has, _, err := second.dir.lookup(second.name)
	there, _, e := parent.lookup(path.Base(at))
	switch {
	case err != nil: // it is gone, and nobody can tell any more whose the path is
		return false, second.leave()
	case e != nil || there != has: // the path is somebody else's
		return false, second.remove()
	case s.Get(key) == nil && !errors.Is(tryConnect(at), unix.ECONNREFUSED):
		return true, second.leave()
	}
	return false, errors.Join(parent.remove(path.Base(at), 0), second.remove())
}

func (s *Set) hasPath(at string) bool {
	for _, sock := range *s.live.Load() {
		if sock.at.network == "unix" && sock.at.path == at {
			return true
		}
	}
	return false
}

// sweepStages removes from the directories of the sockets what supds have left that
// were killed while they made one.
func (s *Set) sweepStages() error {
	var err error
	seen := map[string]bool{}
	for _, sock := range *s.live.Load() {
		dir := path.Dir(sock.at.path)
		if sock.at.network != "unix" || seen[dir] {
			continue
		}
		seen[dir] = true
		d, e := sock.openParent()
		if e == nil {
			e = errors.Join(d.sweepPrivate(), d.close())
		}
		err = errors.Join(err, e)
	}
	return err
}

// sweepPrivate removes the private directories of this process's user that no process
// uses: whoever does has them locked.
func (d *directory) sweepPrivate() error {
	names, err := d.privateNames()
	for _, name := range names {
		old := ownLinkIn(d, name)
		if old == nil {
			continue
		}
		if old.dir.isStage() && old.dir.lock() == nil {
			err = errors.Join(err, old.dir.empty(), d.remove(name, unix.AT_REMOVEDIR))
		}
		err = errors.Join(err, old.dir.close())
	}
	return err
}

// isStage reports whether nothing is in a private directory but what is made there: sockets,
// and the mirror, in which are directories and sockets. Else somebody who may rename in the
// directory above has given such a name to another one of this process's user's.
func (d *directory) isStage() bool {
	return d.hasOnly(func(name string, kind uint32) bool {
		return kind == unix.S_IFSOCK || kind == unix.S_IFDIR && name == mirror
	})
}

// hasOnly reports whether allowed allows all that is in a directory, and in those below
// nothing is but directories and sockets.
func (d *directory) hasOnly(allowed func(name string, kind uint32) bool) bool {
	names, err := d.names()
	if err != nil {
		return false
	}
	for _, name := range names {
		_, kind, err := d.lookup(name)
		if err != nil || !allowed(name, kind) {
			return false
		}
		if kind != unix.S_IFDIR {
			continue
		}
		below, err := openDirectoryAt(d.fd, name, path.Join(d.path, name), unix.O_NOFOLLOW)
		if err != nil {
			return false
		}
		ok := below.hasOnly(func(_ string, kind uint32) bool { return kind == unix.S_IFSOCK || kind == unix.S_IFDIR })
		if below.close(); !ok {
			return false
		}
	}
	return true
}

// empty removes everything in a private directory.
func (d *directory) empty() error {
	names, err := d.names()
	for _, name := range names {
		_, kind, e := d.lookup(name)
		if e != nil || kind != unix.S_IFDIR {
			err = errors.Join(err, e, d.remove(name, 0))
			continue
		}
		below, e := openDirectoryAt(d.fd, name, path.Join(d.path, name), unix.O_NOFOLLOW)
		if e == nil {
			e = errors.Join(below.empty(), below.close())
		}
		err = errors.Join(err, e, d.remove(name, unix.AT_REMOVEDIR))
	}
	return err
}
