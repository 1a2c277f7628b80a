// Package tree finds and kills the processes that a worker has left behind, and
// makes cgroups for those that supd can give one.
//
// supd is a child subreaper (prctl(2), PR_SET_CHILD_SUBREAPER): orphans among its
// descendants become its children, and do not get lost. A line in here may read
// /proc and /sys/fs/cgroup, and send SIGKILL; it reaps nothing and keeps nothing.
package tree
