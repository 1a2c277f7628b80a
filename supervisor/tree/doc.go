// Package tree finds processes in /proc and tells them apart: a worker's children,
// workers that an earlier supd has launched, and what a dead worker has left
// behind, which it kills. It makes cgroups for the workers that supd can give one.
//
// supd is a child subreaper (prctl(2), PR_SET_CHILD_SUBREAPER): orphans among its
// descendants become its children, and do not get lost. A line in here may read
// /proc and /sys/fs/cgroup, and send SIGKILL; it reaps nothing and keeps nothing.
package tree
