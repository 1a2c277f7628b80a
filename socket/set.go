package socket

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"path"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// ErrLeftover is in the error of an Apply that could not remove a file of a socket
// that is gone.
var ErrLeftover = errors.New("applied, but a file of a closed socket is left")

// Set is the sockets that supd owns, by keys such as "whois/web".
//
// Offer, Apply, Repair, Leave and Close change it: one goroutine at a time calls
// them. Get and All may be called by any at any time, since what is published is
// a map that is not changed any more; that is why there is no mutex.
type Set struct {
	live    atomic.Pointer[map[string]*Socket]
	keep    *directory
	watcher *watcher

	// Of the goroutine that changes the Set.
	offers  []*offer
	refused []error
	swept   bool // keep has the links of this Set alone

	patience time.Duration  // with directories of paths that are to be removed
	closing  files.Patience // with those of sockets that are closed
}

// NewSet makes an empty set. In the directory keep it keeps a second name (a
// hard link) of each unix socket on the same file system, to put a path back
// that was removed; for one on another file system it makes a directory beside
// the socket. keep is made with mode 0700 if it is missing, and must be no other
// Set's. What a killed supd left in it serves the first Apply, see Offer, which
// then removes what is of no use.
func NewSet(keep string) (*Set, error) {
	dir, err := openKeep(keep)
	if err != nil {
		return nil, err
	}
	s, err := newSet(dir)
	if err != nil {
		return nil, errors.Join(err, dir.close())
	}
	return s, nil
}

// newSet makes a set that keeps second names in keep, or none.
func newSet(keep *directory) (s *Set, err error) {
	s = &Set{keep: keep}
	s.live.Store(&map[string]*Socket{})
	s.watcher, err = newWatcher(&s.live)
	return s, err
}

// renewKeep makes keep anew if somebody has removed it: then nothing can be linked
// into it any more. The old one stays open for the links that were in it.
func (s *Set) renewKeep() error {
	if s.keep == nil || s.keep.exists() {
		return nil
	}
	fresh, err := openKeep(s.keep.path)
	if err == nil {
		s.keep = fresh
	}
	return err
}

func openKeep(p string) (*directory, error) {
	p = path.Clean(p)
	if err := files.MakeDirectories(path.Dir(p)); err != nil {
		return nil, err
	}
	if err := unix.Mkdir(p, 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, &os.PathError{Op: "mkdir", Path: p, Err: err}
	}
	d, err := openDirectory(p)
	if err != nil {
		return nil, err
	}
	if err := d.checkPrivate(); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// sweepKeep removes the links that a killed supd left, once.
func (s *Set) sweepKeep() error {
	if s.swept || s.keep == nil {
		return nil
	}
	names, err := s.keep.names()
	for _, name := range names {
		_, kind, e := s.keep.lookup(name)
		_, _, noted := s.keep.lookup(name + noteSuffix) // then its path is left
		if e == nil && kind == unix.S_IFSOCK && !s.keeps(name) && noted != nil {
			err = errors.Join(err, s.keep.remove(name, 0))
		}
	}
	s.swept = err == nil
	return err
}

func (s *Set) keeps(name string) bool {
	for _, sock := range *s.live.Load() {
		if sock.kept.in(s.keep) && sock.kept.name == name {
			return true
		}
	}
	return false
}

// Get returns a socket, or nil. It is valid until an Apply without it, or Close;
// after a Repair, Get returns another one with the same descriptor number.
func (s *Set) Get(key string) *Socket { return (*s.live.Load())[key] }

// All gives every socket with its key, in the order of the keys.
func (s *Set) All() iter.Seq2[string, *Socket] {
	live := *s.live.Load()
	return func(yield func(string, *Socket) bool) {
		for _, key := range slices.Sorted(maps.Keys(live)) {
			if !yield(key, live[key]) {
				return
			}
		}
	}
}

// Apply makes the set what specs say. A socket with the same address is kept,
// whatever its key was, and its owner, group, mode and backlog are changed in
// place; what is new is adopted from the offers or opened; last, what is gone is
// closed. What cannot be opened is in failed, by key: there the socket that had the
// key stays as it was, and no other socket is concerned. The error is of what is
// left of sockets that are gone.
//
// The offers that were not used are closed, unless they may serve a later Apply: one
// that tries again what has failed, or, where there is more to come, another one.
func (s *Set) Apply(specs map[string]Spec, more bool) (failed map[string]error, err error) {
	s.closing = files.Patience{First: removeTime}
	left := s.renewKeep()
	next, failed := s.open(specs)
	before := *s.live.Load()
	s.live.Store(&next)
	s.watcher.check() // what happened to a new socket before it was in the map
	left = errors.Join(left, s.writeNotes())
	s.refused = nil
	if len(failed) == 0 && !more {
		s.closeOffers()
		if !s.swept {
			left = errors.Join(left, s.sweepKeep(), s.sweepStages())
		}
	}
	for _, old := range without(before, next) {
		s.dropOffers(old)
		left = errors.Join(left, s.closeSocket(old))
	}
	if left != nil {
		return failed, fmt.Errorf("%w: %w", ErrLeftover, left)
	}
	return failed, nil
}

// open makes the next map of sockets.
func (s *Set) open(specs map[string]Spec) (next map[string]*Socket, failed map[string]error) {
	failed = checkSpecs(specs)
	have := s.byIdentity()
	next = map[string]*Socket{}
	for _, key := range slices.Sorted(maps.Keys(specs)) {
		if failed[key] != nil {
			continue
		}
		sock, err := s.openOne(key, specs[key], have)
		if err != nil {
			failed[key] = err
			continue
		}
		next[key] = sock
	}
	kept := without(*s.live.Load(), next)
	for key := range failed {
		if old := s.Get(key); old != nil && slices.Contains(kept, old) {
			next[key] = old
		}
	}
	return next, failed
}

// openOne keeps, changes or opens one socket.
func (s *Set) openOne(key string, spec Spec, have map[string]*Socket) (*Socket, error) {
	at, err := parse(spec.Listen)
	if err != nil {
		return nil, err
	}
	if old := have[at.identity(key)]; old != nil {
		return old.changed(spec)
	}
	offer, sock, refused := s.fromOffers(key, spec, at)
	if sock != nil {
		return s.adopted(offer, sock)
	}
	sock, err = open(spec, s.keep)
	if err != nil {
		return nil, errors.Join(s.explainConflict(err, at), refused)
	}
	if err := s.watcher.add(sock); err != nil {
		return nil, errors.Join(err, sock.Close())
	}
	return sock, nil
}

// identity is equal for two specs that can share one socket. A port that the
// kernel chooses is another one for each key.
func (e endpoint) identity(key string) string {
	if e.chosen() {
		return e.String() + " " + key
	}
	return e.String()
}

// chosen reports whether the kernel chooses the port.
func (e endpoint) chosen() bool { return e.network != "unix" && e.addr.Port() == 0 }

func (s *Set) byIdentity() map[string]*Socket {
	have := map[string]*Socket{}
	for key, sock := range *s.live.Load() {
		have[sock.at.identity(key)] = sock
	}
	return have
}

// checkSpecs finds what is wrong before anything is touched.
func checkSpecs(specs map[string]Spec) map[string]error {
	wrong := map[string]error{}
	first := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(specs)) {
		spec := specs[key]
		if err := spec.Validate(); err != nil {
			wrong[key] = err
			continue
		}
		at, _ := parse(spec.Listen)
		if other, taken := first[at.identity(key)]; taken {
			wrong[key] = fmt.Errorf("%s: %s listens there already; give one of them another address", spec.Listen, other)
			continue
		}
		first[at.identity(key)] = key
	}
	return wrong
}

// explainConflict names the socket of this set that stands in the way.
func (s *Set) explainConflict(err error, at endpoint) error {
	if !errors.Is(err, unix.EADDRINUSE) {
		return err
	}
	for key, sock := range *s.live.Load() {
		if sock.at.network == at.network && sock.bound.Port() == at.addr.Port() {
			return fmt.Errorf("%w: %s has %s, and the two exclude each other; remove that socket first, then add this one", err, key, sock.at)
		}
	}
	return err
}

// without returns the sockets of before that are not in next under any key.
func without(before, next map[string]*Socket) []*Socket {
	kept := map[int]bool{}
	for _, sock := range next {
		kept[sock.fd] = true
	}
	var gone []*Socket
	for _, sock := range before {
		if !kept[sock.fd] {
			gone = append(gone, sock)
		}
	}
	return gone
}

func (s *Set) closeSocket(sock *Socket) error {
	// Before the descriptor is closed: while a worker holds a duplicate, the
	// kernel leaves it in the epoll set, and then nobody can take it out.
	err := s.watcher.remove(sock)
	left := s.removeLinks(sock)
	if left == nil { // else what is left is known by its note
		left = s.forgetNote(sock)
	}
	return errors.Join(err, left, sock.closeFd())
}

// removeTime is how long is waited for the disks of unix sockets that are closed, beyond
// what a busy one takes.
const removeTime = time.Second

// removeLinks waits for no disk that does not answer: what is on one is removed when it
// answers again.
func (s *Set) removeLinks(sock *Socket) error {
	if sock.at.network != "unix" {
		return nil
	}
	removed := make(chan error, 1)
	if s.closing.Answers(func() { removed <- sock.removeLinks() }) {
		return <-removed
	}
	return fmt.Errorf("%s: %s", sock.at, s.closing.Why())
}

// Close closes all sockets and ends the watcher.
func (s *Set) Close() error { return s.end(s.closeSocket, s.writeNotes) }

// Leave is Close for a supd that ends while its workers serve on: it leaves the
// paths of unix sockets and their second names to the next one.
func (s *Set) Leave() error {
	leave := func(sock *Socket) error { return errors.Join(s.watcher.remove(sock), sock.Leave()) }
	return s.end(leave, func() error { return nil })
}

func (s *Set) end(each func(*Socket) error, last func() error) error {
	s.closing = files.Patience{First: removeTime}
	before := *s.live.Load()
	s.live.Store(&map[string]*Socket{})
	s.closeOffers()
	var err error
	for _, sock := range before {
		err = errors.Join(err, each(sock))
	}
	err = errors.Join(err, last())
	if s.keep != nil {
		err = errors.Join(err, s.keep.close())
	}
	return errors.Join(err, s.watcher.close())
}
