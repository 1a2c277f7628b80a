package socket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// Kind is what happened to a socket.
type Kind string

// The kinds of damage.
const (
	// ShutDown: a holder called shutdown(2) on the listener, which ends it for
	// all. Workers that were given it have to be replaced after the repair.
	ShutDown Kind = "shut down"
	// Unlinked: the path of a unix socket was removed, or leads elsewhere.
	Unlinked Kind = "unlinked"
)

// Damage is one thing that happened to a socket of a Set.
type Damage struct {
	Key  string
	Kind Kind
	Err  error // a sentence for the log
}

// Watch starts the one goroutine that calls report for each damage, until the
// Set is closed. It is woken by damage only, never by a connection. The same
// damage may be reported again until it is repaired. A udp socket is not watched.
// Watch is called once.
func (s *Set) Watch(report func(Damage)) {
	s.watcher.started = true
	go s.watcher.run(report)
	s.watcher.check()
}

// Identifiers in the epoll set; from firstSocket on they are sockets'.
const (
	idInotify int32 = iota
	idCheck
	firstSocket
)

const watchedEvents = unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO |
	unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR

// watcher is an epoll set of the listeners, an inotify instance for the
// directories of unix sockets, and an eventfd that asks for a look at all. The
// epoll descriptor itself is in Go's poller: no thread blocks in it.
type watcher struct {
	epoll   *os.File
	epfd    int
	inotify int
	eventfd int
	live    *atomic.Pointer[map[string]*Socket]
	started bool

	mu     sync.Mutex
	closed bool // eventfd is

	late files.Lateness // the sockets whose paths have not answered

	// Of the goroutine that changes the Set.
	lastID int32
	dirs   map[string]*watchedDir
}

type watchedDir struct{ descriptor, sockets int }

func newWatcher(live *atomic.Pointer[map[string]*Socket]) (*watcher, error) {
	w := &watcher{epfd: -1, inotify: -1, eventfd: -1, live: live, lastID: firstSocket, dirs: map[string]*watchedDir{}}
	w.late.Back = w.checkAgain
	if err := w.open(); err != nil {
		w.closeInputs()
		if w.epfd >= 0 {
			unix.Close(w.epfd)
		}
		return nil, err
	}
	w.epoll = os.NewFile(uintptr(w.epfd), "epoll")
	return w, nil
}

func (w *watcher) open() (err error) {
	if w.epfd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	// os.NewFile hands a descriptor to the poller only if it does not block.
	if err = unix.SetNonblock(w.epfd, true); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	if w.inotify, err = unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK); err != nil {
		return fmt.Errorf("inotify_init1: %w (is fs.inotify.max_user_instances too low?)", err)
	}
	if w.eventfd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	if err = w.addFd(w.inotify, idInotify, unix.EPOLLIN); err != nil {
		return err
	}
	return w.addFd(w.eventfd, idCheck, unix.EPOLLIN)
}

func (w *watcher) addFd(fd int, id int32, events uint32) error {
	event := unix.EpollEvent{Events: events, Fd: id}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(w.epfd, unix.EPOLL_CTL_ADD, fd, &event))
}

// add watches a socket, which is not in the map yet.
func (w *watcher) add(sock *Socket) error {
	if sock.at.network == "udp" {
		return nil
	}
	w.lastID++
	sock.id = w.lastID
	// EPOLLHUP comes unasked; EPOLLRDHUP is what a unix listener shows when only
	// its reading side was shut down. Neither is raised by a connection. Once:
	// it would be there for ever.
	if err := w.addFd(sock.fd, sock.id, unix.EPOLLRDHUP|unix.EPOLLONESHOT); err != nil {
		return err
	}
	if sock.at.network != "unix" {
		return nil
	}
	if err := w.addDir(path.Dir(sock.at.path)); err != nil {
		return errors.Join(err, w.removeFd(sock))
	}
	return nil
}

func (w *watcher) addDir(dir string) error {
	if w.dirs[dir] == nil {
		w.dirs[dir] = &watchedDir{descriptor: -1}
	}
	w.dirs[dir].sockets++
	if err := w.renewDir(dir); err != nil {
		return errors.Join(err, w.removeDir(dir))
	}
	return nil
}

// renewDir watches the directory that is at the path now.
func (w *watcher) renewDir(dir string) error {
	fresh, err := unix.InotifyAddWatch(w.inotify, dir, watchedEvents)
	if err != nil {
		return fmt.Errorf("watch %s: %w (is fs.inotify.max_user_watches too low?)", dir, err)
	}
	old := w.dirs[dir].descriptor
	w.dirs[dir].descriptor = fresh
	w.forget(old)
	return nil
}

func (w *watcher) remove(sock *Socket) error {
	if sock.at.network == "udp" {
		return nil
	}
	err := w.removeFd(sock)
	if sock.at.network == "unix" {
		err = errors.Join(err, w.removeDir(path.Dir(sock.at.path)))
	}
	return err
}

func (w *watcher) removeFd(sock *Socket) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(w.epfd, unix.EPOLL_CTL_DEL, sock.fd, nil))
}

func (w *watcher) removeDir(dir string) error {
	watched := w.dirs[dir]
	if watched.sockets--; watched.sockets > 0 {
		return nil
	}
	delete(w.dirs, dir)
	w.forget(watched.descriptor)
	return nil
}

// forget ends a watch that no directory needs: two paths of one directory share
// one. The kernel has ended it by itself if the directory is gone.
func (w *watcher) forget(descriptor int) {
	for _, other := range w.dirs {
		if other.descriptor == descriptor {
			return
		}
	}
	if descriptor >= 0 {
		_, _ = unix.InotifyRmWatch(w.inotify, uint32(descriptor))
	}
}

// check makes the watcher look at every socket.
func (w *watcher) check() {
	// It fails only if a look has been asked for 2^64-1 times already.
	_, _ = unix.Write(w.eventfd, binary.NativeEndian.AppendUint64(nil, 1))
}

// close ends the goroutine, which then closes what it reads; without one, it
// does so itself.
func (w *watcher) close() error {
	err := w.epoll.Close()
	if !w.started {
		w.closeInputs()
	}
	return err
}

// checkAgain is check for goroutines that may outlive the watcher.
func (w *watcher) checkAgain() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.check()
	}
}

func (w *watcher) closeInputs() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for _, fd := range []int{w.inotify, w.eventfd} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

func (w *watcher) run(report func(Damage)) {
	defer w.closeInputs()
	conn, err := w.epoll.SyscallConn()
	if err != nil {
		return // closed already
	}
	events := make([]unix.EpollEvent, 32)
	for {
		var n int
		closed := conn.Read(func(fd uintptr) bool {
			n, _ = unix.EpollWait(int(fd), events, 0)
			return n > 0
		})
		if closed != nil {
			return
		}
		for _, event := range events[:n] {
			w.handle(event.Fd, report)
		}
	}
}

// lookPause is between two looks at all paths: who may write into the directory of a
// socket can make one name come and go as fast as he likes.
const lookPause = 10 * time.Millisecond

func (w *watcher) handle(id int32, report func(Damage)) {
	switch id {
	case idInotify:
		if w.readInotify() {
			w.look(report, false)
			time.Sleep(lookPause)
		}
	case idCheck:
		var count [8]byte
		_, _ = unix.Read(w.eventfd, count[:])
		w.look(report, true)
	default:
		for key, sock := range *w.live.Load() {
			if sock.id == id {
				report(sock.shutDown(key))
			}
		}
	}
}

// look reports every path that is not its socket's any more and, if asked, every
// listener that is shut down: one that was between its opening and the moment
// the map had it is found here only.
func (w *watcher) look(report func(Damage), listeners bool) {
	for key, sock := range *w.live.Load() {
		if listeners && sock.dead() {
			report(sock.shutDown(key))
		}
		if sock.at.network != "unix" || sock.renewed || w.atPath(sock) {
			continue
		}
		if w.isLive(key, sock) { // else a Repair has put another one there meanwhile
			report(sock.unlinked(key))
		}
	}
}

func (w *watcher) isLive(key string, sock *Socket) bool { return (*w.live.Load())[key] == sock }

// lookTime is how long is waited for the disk of a path, beyond what a busy one takes.
const lookTime = time.Second

// atPath is the socket's, but holds up the watching of the others for no disk that does not
// answer: of a path that is on one nothing is known until it does, and then all are looked at
// again.
func (w *watcher) atPath(sock *Socket) bool {
	limit := lookTime
	if w.late.Any() {
		limit = files.Impatient
	}
	is := make(chan bool, 1)
	return !w.late.Answers(sock, limit, func() { is <- sock.atPath() }) || <-is
}

func (s *Socket) shutDown(key string) Damage {
	return Damage{key, ShutDown, fmt.Errorf("%s: %s: a process that holds the listener has shut it down for all (shutdown(2))", key, s.at)}
}

func (s *Socket) unlinked(key string) Damage {
	return Damage{key, Unlinked, fmt.Errorf("%s: %s: the path was removed, or leads elsewhere now", key, s.at)}
}

// readInotify empties the inotify queue, and reports whether anything in it may
// concern a socket.
func (w *watcher) readInotify() (concerned bool) {
	buffer := make([]byte, 4096)
	for {
		n, err := unix.Read(w.inotify, buffer)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n <= 0 {
			return concerned
		}
		concerned = w.concerns(buffer[:n]) || concerned
	}
}

// concerns reads struct inotify_event (inotify(7)). An event without a name is
// about the directory itself, or says that events were lost.
func (w *watcher) concerns(events []byte) bool {
	for len(events) >= unix.SizeofInotifyEvent {
		end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(events[12:]))
		name := strings.TrimRight(string(events[unix.SizeofInotifyEvent:end]), "\x00")
		if name == "" || w.anyNamed(name) {
			return true
		}
		events = events[end:]
	}
	return false
}

func (w *watcher) anyNamed(name string) bool {
	for _, sock := range *w.live.Load() {
		if sock.at.network == "unix" && path.Base(sock.at.path) == name {
			return true
		}
	}
	return false
}
