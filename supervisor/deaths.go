package supervisor

import (
	"golang.org/x/sys/unix"

	"supd/supervisor/engine"
	"supd/supervisor/output"
)

// deaths hears of the end of supd's children by their pidfds. SIGCHLD alone does not do:
// the kernel gives it to the thread that has launched the child, if that one has no other
// signal waiting (complete_signal in kernel/signal.c). While that thread waits for a disk
// that does not answer, nobody hears of that death, nor of those after it.
type deaths struct{ epoll *output.Epoll }

func newDeaths() (*deaths, error) {
	epoll, err := output.NewEpoll()
	return &deaths{epoll}, err
}

// tell tells of them until the end, also of those from before it was called.
func (d *deaths) tell(post func(engine.Event)) {
	room := make([]unix.EpollEvent, 64)
	for len(d.epoll.Wait(room)) > 0 {
		post((*engine.Owner).ChildDied)
	}
}

// watch is for a child that lives, or has not been reaped. Its pidfd is forgotten when it
// is closed. Where it fails, SIGCHLD is left.
func (d *deaths) watch(pidfd int) {
	_ = unix.EpollCtl(d.epoll.FD, unix.EPOLL_CTL_ADD, pidfd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT})
}

func (d *deaths) close() { d.epoll.Close() }
