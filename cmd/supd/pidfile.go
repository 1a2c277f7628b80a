package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"

	"github.com/google/renameio/v2"

	"supd/configs"
	"supd/privdrop/files"
	"supd/supervisor"
)

// mostPid is how long a pidfile is at most, in bytes.
const mostPid = 32

// keepPidfile writes the pidfile, and gives a function that removes it again. A supd that
// has taken the place of another one in its process goes on without: nobody would look
// after the workers, and whoever started supd does not start it again.
func keepPidfile(path string, config *configs.Config, log *slog.Logger) (remove func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	err = writePidfile(path)
	switch {
	case err == nil:
		return func() { os.Remove(path) }, nil
	case supervisor.TookPlace(config):
		log.Error("there is no pidfile", "error", err)
		return func() {}, nil
	}
	return nil, fmt.Errorf("pidfile: %w", err)
}

// writePidfile leaves alone a file that says what it is to say, as it does after a reexec.
func writePidfile(path string) error {
	if hasPid(path, os.Getpid()) {
		return nil
	}
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := files.MakeDirectories(dir); err != nil {
			return err
		}
	}
	return renameio.WriteFile(path, pidLine(os.Getpid()), 0o644, renameio.WithTempDir(dir))
}

// hasPid wants the file to be root's, or this process's user's: others could change it.
func hasPid(path string, pid int) bool {
	text, err := files.ReadOurs(path, mostPid)
	return err == nil && string(text) == string(pidLine(pid))
}

func pidLine(pid int) []byte { return []byte(strconv.Itoa(pid) + "\n") }

// checkPidfile says what keeps the process with that pid, 0 for any, from writing its
// pidfile. It makes nothing.
func checkPidfile(path string, pid int) error {
	if path == "" || pid != 0 && hasPid(path, pid) {
		return nil
	}
	dir := filepath.Dir(path)
	_, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = files.Way{GID: -1, Any: true}.MayMake(path)
	} else {
		err = cmp.Or(files.MayMake(path), files.MayBeReplaced(path), files.HasRoom(dir))
	}
	if info, there := os.Lstat(path); err == nil && there == nil && info.IsDir() {
		err = fmt.Errorf("%s is a directory; name a file", path)
	}
	if err != nil {
		return fmt.Errorf("pidfile: %w", err)
	}
	return nil
}
