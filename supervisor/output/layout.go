package output

import (
	"io/fs"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"supd/privdrop/files"
)

const (
	// maxLine bounds an unfinished line: the beginning of a longer one is written
	// before its end has come.
	maxLine = 64 << 10
	// lineTime is how long an unfinished line waits for its end before it is
	// written: a prompt has none.
	lineTime = time.Second
	// maxRead is how much is read before the capture checks whether it is to end.
	maxRead = 4 << 20
)

// matcher calls a function with whole lines, until it is told to stop.
type matcher struct {
	call  func([]byte)
	on    atomic.Bool
	begun []byte // the line that has come in part, up to maxLine of it
}

// sink is where the output of a Log goes that is no file. The lock of the Log is held for
// each call.
type sink interface {
	// write takes lines of a worker, which are what its capture holds first, and drops
	// what cannot be written.
	write(l *Log, from *Capture, p []byte)
	rest() // nothing is captured to it for now
	close() error
}

// Log is a log file that several captures write to, or what is none: see FateOf. A
// file is opened for appending, so that truncating it from outside (logrotate's
// copytruncate) leaves no hole. That it was moved away is noticed by the first
// write after a second.
type Log struct {
	path  string
	files *Files // that this log belongs to, or nil
	sink  sink   // nil: it is a file

	written atomic.Int64
	dropped atomic.Int64
	listed  atomic.Bool             // in the files' changed
	wanted  atomic.Pointer[Options] // what Change was called with last, until it is set

	settled <-chan struct{} // closed when an earlier supd's last write is finished; nil: there was none

	unopened atomic.Bool // it could not be opened when it was made, and nobody has found out since that it can

	// The captures of several workers write whole lines: one lock around each write
	// and rotation keeps a line from being cut in two. A capture that waits for it
	// would wait for the same file anyway.
	mu      sync.Mutex
	options Options
	file    *os.File // nil: it could not be opened yet, and each Write fails (os.ErrInvalid)
	fd      int      // of file
	id      fileID
	size    int64
	limit   int64       // size at which to rotate: MaxSize, or more after a failure
	looked  time.Time   // when path was last compared with the file
	born    time.Time   // when its first line was written, or it was made
	aged    *time.Timer // fires when the file is too old
	due     bool        // in the files' chores, whose lock holds for it
	tidying bool        // likewise: it is being done

	captures int // under way

	last    *Capture // who wrote last; nil: an earlier supd
	midline bool     // the file ends within a line of last
	broken  bool     // that line's rest was dropped: the next write begins a new one
	failing bool     // the last write failed
	lost    bool     // path could not be opened anew
	stays   bool     // the file is too old and cannot be rotated, which was said
	loose   bool     // a rotated file cannot be compressed, which was said
	closed  bool
}

// Options say what a log file is like.
type Options struct {
	MaxSize  int64         // bytes; the file is rotated before it grows beyond; 0: never
	MaxAge   time.Duration // a file that is older is rotated, unless it is empty; 0: never
	Keep     int           // rotated files: path.1 is the newest, or path.1.gz
	MaxTotal int64         // bytes of all rotated files together, but the newest stays; 0: no limit
	Compress bool          // rotated files
	UID      int           // owner of new files; -1 keeps supd's
	GID      int           // their group, and that of a new directory; -1 likewise
	Mode     fs.FileMode   // of new files, whatever the umask
	Log      *slog.Logger  // nil: nothing is said

	// As is whose rights are used where others than root may change where the path
	// leads: see files.Way.
	As *files.Account

	Prefix Prefix // of lines in a file or on standard output

	Address  string // of the syslog server; see Syslog
	Facility int    // RFC 5424, 6.2.1

	journal string   // its socket; "" is journald's
	outlets *outlets // nil: this log's own
}

// journal is a connection to journald. The Log's lock is held for each call.
//
// go-systemd's journal.Send is no replacement: it waits without end for a journal
// that takes nothing, under a lock that all senders share.
type journal struct {
	socket string
	conn   *net.UnixConn // nil: connect again
	entry  []byte        // memory for the next one
	next   time.Time     // no try before
}

// Field is what the journal gets about a worker besides its lines. The name has
// only capital letters, digits and _, and begins with a letter.
type Field struct{ Name, Value string }

// state says where the data stands. The current one is never changed: the other one
// is written, then head.turn.
type state struct {
	begin, end uint32 // data[begin:end] was taken from the pipe and is not known to be in the log

	reading uint32   // so many bytes are being read into data, from end on
	mark    [16]byte // the last bytes of that place before the read

	writing uint32 // so many bytes from begin on are being written to file,
	newline uint32 // 1: with a newline before them,
	midline uint32 // 1: the last write ended within a line,
	file    fileID
	size    int64 // of file, before the write if one is under way
}

// head is the beginning of the file. Other versions of supd read it: a change of
// the layout needs another magic.
type head struct {
	magic  [16]byte
	boot   [36]byte // /proc/sys/kernel/random/boot_id
	length uint32   // of the address of the log, which follows the head: see Capture.address
	pipe   uint64   // its inode
	_      uint32
	turn   uint32 // which of the states is current
	states [2]state
}

// intake holds the output that a capture has taken from its pipe and not yet
// written to its log. It is a file that is mapped into memory (mmap(2),
// MAP_SHARED): the kernel keeps it when supd is killed between two instructions. It
// does not survive a failure of the machine: nothing is synced.
//
// Each step is noted before it is taken, so that the next supd can find out whether
// it was taken. A read takes no more than was seen in the pipe, so it happens whole
// or not at all: it does not sleep, and a signal ends a process only on its way
// back from a system call (signal(7)); see mapIn. A write to the log may happen in part; the
// file shows how much.
type intake struct {
	memory []byte
	head   *head
	data   []byte // what follows the head and the address
	path   string // of the file; "": it is in memory only

	touched int // how much of data has pages
	first   int // how much of data shares a page with the head
}

// Files are the open logs by path, so that all processes that name a file share
// its Log, and all can be reopened at once. Its methods may be called from any
// goroutine.
type Files struct {
	log     *slog.Logger
	journal string // see Options

	mu      sync.Mutex // a Reopen and a new configuration may come at the same time
	open    map[string]*Log
	opening map[string]*opening // those that are not open yet
	keep    *store              // nil without KeepIn
	past    map[string]Count    // what an earlier supd has counted
	rest    map[string]bool     // names of files in keep that an earlier supd has left and no capture has taken up

	unsettled map[string]<-chan struct{} // by path of a log, and by name in keep; not changed after KeepIn

	changed changed
	chores  chores
	outlets *outlets
}

// fileID tells files apart.
type fileID struct{ device, inode uint64 }

// pipeState is the state in which a read leaves a pipe.
type pipeState int

// Capture reads one worker's pipe into a Log until its end.
type Capture struct {
	log    *Log
	pipe   *os.File
	name   string
	fields string // for what is prefixed, or no file, encoded
	match  matcher
	ready  chan struct{} // of capacity 1: the pipe has something
	finish chan struct{} // closed by Finish
	end    func()
	stay   atomic.Int32 // stays, asked to leave, or leaves
	done   chan struct{}
	next   atomic.Pointer[Log] // nil, or where to go on

	parked atomic.Bool // no goroutine reads: it was silent

	// Of the goroutine that reads, until done.
	fd     int         // of pipe
	watch  *watch      // nil: the poller cannot take it
	late   *time.Timer // of a wait
	silent bool        // nothing has come for long
	in     *intake     // nil until there was something
	since  time.Time   // when the unfinished line that is held came
	large  bool        // the pipe was to be enlarged
	room   int         // how much fits into it
	pace   pace
	left   *os.File

	whose   *author // of what is prefixed, or no file
	unended bool    // the last message sent there was no whole line
}

// None begins the path of a Log that drops what is written to it, uncounted.
const None = "none:"

// Journal begins the path of a Log that is no file: output that is captured to
// "journal:whois/web" goes to the systemd journal, where its SYSLOG_IDENTIFIER is
// whois/web. Each line is an entry of its own, without its end; a line that is
// longer than 64 KiB, or not ended within a second, becomes several.
//
// A line is sent again if supd was killed after sending it and before noting that.
const Journal = "journal:"
