package output

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// store is the directory with the intakes of captures that have a name.
type store struct{ dir, boot string }

// openStore makes the directory. Only supd may enter it.
func openStore(dir string) (*store, error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return nil, &os.PathError{Op: "stat", Path: dir, Err: err}
	}
	if !files.IsPrivate(&st) {
		return nil, fmt.Errorf("%s: mode %04o of uid %d; want a directory of uid %d with mode 0700", dir, st.Mode&0o7777, st.Uid, os.Geteuid())
	}
	boot, err := files.BootID()
	if err != nil {
		return nil, err
	}
	return &store{dir, boot}, nil
}

func (s *store) file(name string) string { return filepath.Join(s.dir, name) }

// unfinished begins the name of a file that is not complete.
const unfinished = "."

// names are those of the intakes. What a killed supd has left unfinished is
// removed: it holds nothing.
func (s *store) names() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), unfinished) {
			_ = os.Remove(s.file(e.Name()))
		} else {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// open opens an intake. fs.ErrNotExist says that there is none.
func (s *store) open(name string) (*intake, error) {
	path := s.file(name)
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	var length [unsafe.Sizeof(head{}.length)]byte
	n, err := unix.Pread(fd, length[:], int64(unsafe.Offsetof(head{}.length)))
	offset := headSize + int(binary.NativeEndian.Uint32(length[:]))
	if err != nil || n < len(length) || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size != intakeSize || offset > headSize+unix.PathMax {
		return nil, &os.PathError{Op: "read", Path: path, Err: errIntake}
	}
	in, err := s.mapped(fd, path, offset)
	if err != nil {
		return nil, err
	}
	if err := in.valid(s.boot); err != nil {
		in.close()
		return nil, &os.PathError{Op: "read", Path: path, Err: err}
	}
	return in, nil
}

func (s *store) mapped(fd int, path string, offset int) (*intake, error) {
	memory, err := unix.Mmap(fd, 0, intakeSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, &os.PathError{Op: "mmap", Path: path, Err: err}
	}
	in := view(memory, offset)
	in.path = path
	return in, nil
}

// create makes an intake that holds something already, in the place of one that
// is there.
func (s *store) create(name, log string, pipe uint64, held []byte) (*intake, error) {
	if len(log) > unix.PathMax {
		return nil, &os.PathError{Op: "create", Path: s.file(name), Err: unix.ENAMETOOLONG}
	}
	hidden := s.file(unfinished + name)
	fd, err := unix.Open(hidden, unix.O_RDWR|unix.O_CREAT|unix.O_TRUNC|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "create", Path: hidden, Err: err}
	}
	defer unix.Close(fd)
	in, err := s.fill(fd, hidden, head{magic: magic, boot: [36]byte([]byte(s.boot)), length: uint32(len(log)), pipe: pipe,
		states: [2]state{{end: uint32(len(held))}}}, log, held)
	if err != nil {
		_ = unix.Unlink(hidden)
		return nil, err
	}
	if err := unix.Rename(hidden, s.file(name)); err != nil {
		in.remove()
		return nil, &os.PathError{Op: "rename", Path: hidden, Err: err}
	}
	in.path = s.file(name)
	return in, nil
}

// fill writes what a new intake begins with: a write finds out whether there is
// room for it, memory does not.
func (s *store) fill(fd int, path string, h head, log string, held []byte) (*intake, error) {
	begin := make([]byte, (headSize+len(log)+page-1)&^(page-1))
	*(*head)(unsafe.Pointer(&begin[0])) = h
	copy(begin[headSize:], log)
	if _, err := unix.Pwrite(fd, begin, 0); err != nil {
		return nil, &os.PathError{Op: "write", Path: path, Err: err}
	}
	if err := unix.Ftruncate(fd, intakeSize); err != nil {
		return nil, &os.PathError{Op: "truncate", Path: path, Err: err}
	}
	in, err := s.mapped(fd, path, headSize+len(log))
	if err != nil {
		return nil, err
	}
	end := in.state().end
	in.set(state{}) // what is reserved is behind what is held
	if err := in.reserve(int(end)); err != nil {
		in.close()
		return nil, &os.PathError{Op: "write", Path: path, Err: err}
	}
	copy(in.data, held)
	in.set(state{end: end})
	return in, nil
}
