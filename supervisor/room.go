package supervisor

import (
	"fmt"
	"log/slog"
	"os"

	"golang.org/x/sys/unix"

	"supd/configs"
)

// roomOptions bound what all workers together can put into their runtime directories:
// a tenth of the memory, as it is for users' directories in /run (logind.conf(5),
// RuntimeDirectorySize), and so many files.
const roomOptions = "mode=0711,size=10%,nr_inodes=200000"

// makeRoom gives the directories of workers a file system of their own where they would
// else share one in memory, as below /run: a worker that fills its own takes nothing from
// other services of the machine then. It stays for the next supd.
func makeRoom(log *slog.Logger, runtime configs.Runtime) {
	workers := runtime.Workers()
	if os.Geteuid() != 0 || !isMemory(workers) || isMounted(runtime) {
		return
	}
	why := "workers of an earlier supd have theirs in it"
	if entries, err := os.ReadDir(workers); err != nil || len(entries) == 0 {
		err := unix.Mount("supd", workers, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, roomOptions)
		if err == nil {
			return
		}
		why = fmt.Sprintf("mount: %s", err)
	}
	log.Info("the runtime directories of workers have no file system of their own: what they put in there is not bounded", "directory", workers, "why", why)
}

// leaveRoom takes the file system away. There must be no worker.
func leaveRoom(log *slog.Logger, runtime configs.Runtime) {
	if os.Geteuid() != 0 || !isMemory(runtime.Workers()) || !isMounted(runtime) {
		return
	}
	if err := unix.Unmount(runtime.Workers(), unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && err != unix.EPERM {
		log.Warn("file system of the workers' runtime directories", "error", err)
	}
}

func isMemory(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && st.Type == unix.TMPFS_MAGIC
}

// isMounted reports whether the directories of workers are on another file system than
// the rest of the runtime directory.
func isMounted(runtime configs.Runtime) bool {
	var own, workers unix.Stat_t
	return unix.Stat(string(runtime), &own) == nil && unix.Stat(runtime.Workers(), &workers) == nil && own.Dev != workers.Dev
}
