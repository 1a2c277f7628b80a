package launch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/privdrop"
	"supd/privdrop/files"
	"supd/supervisor/tree"
)

// startSlack is how much earlier than the worker's start the time may be that a file has
// got since: both are counted in ticks, of up to 10 ms each.
const startSlack = 20 * time.Millisecond

// modified asks whether the worker has modified its file since it was launched, and
// lately where that matters.
func (w *Worker) modified(ctx context.Context, spec privdrop.Spec, q configs.Question) error {
	expanded, err := expandAll([]string{q.File}, spec, w.spec)
	if err != nil {
		return err
	}
	path := expanded[0]
	at, err := w.modification(ctx, path)
	launched := time.Now().Add(-tree.Age(w.Identity.Start) - startSlack)
	isOld := at.Before(launched) // so is none
	switch {
	case err != nil && !(q.Lives && errors.Is(err, fs.ErrNotExist)):
		return err
	case isOld && !q.Lives:
		return fmt.Errorf("%s: was not modified since the launch", path)
	case isOld:
		at = launched
	}
	if age := time.Since(at); q.MaxAge > 0 && age > q.MaxAge {
		return fmt.Errorf("%s: was not modified for %s, max_age is %s", path, age.Round(time.Second), q.MaxAge)
	}
	return nil
}

// modification is when a file was modified last. A file system that does not answer
// holds one thread, whatever is asked again; who asks goes on with ctx.
func (w *Worker) modification(ctx context.Context, path string) (at time.Time, err error) {
	if !filepath.IsAbs(path) {
		return at, fmt.Errorf("%q: is no absolute path", path)
	}
	if !w.looks.CompareAndSwap(false, true) {
		return at, fmt.Errorf("%s: its file system does not answer", path)
	}
	type answer struct {
		at  time.Time
		err error
	}
	answers, as := make(chan answer, 1), w.spec.Account.Files()
	w.looking.Go(func() {
		at, err := modificationOf(path, as)
		w.looks.Store(false)
		answers <- answer{at, err}
	})
	select {
	case a := <-answers:
		return a.at, a.err
	case <-ctx.Done():
		return at, ctx.Err()
	}
}

// modificationOf looks at the file without opening it. The directory that it is in may
// be anybody's: all that is told of what is in there is a time.
func modificationOf(path string, as *files.Account) (at time.Time, err error) {
	err = files.Way{As: as, Any: true}.In(filepath.Dir(path), func(p files.Place) error {
		var st unix.Stat_t
		if err := unix.Fstatat(p.FD, filepath.Base(path), &st, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT); err != nil {
			return &os.PathError{Op: "stat", Path: path, Err: err}
		}
		if st.Mode&unix.S_IFMT != unix.S_IFREG {
			return fmt.Errorf("%s: is not a regular file", path)
		}
		at = time.Unix(st.Mtim.Unix())
		return nil
	})
	return at, err
}
