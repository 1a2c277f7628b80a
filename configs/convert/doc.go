// Package convert makes app files of what another supervisor was configured with:
// supervisord, circus, systemd or a Procfile. It reads a file exactly as its supervisor
// does, mistakes included, for what ran is what is wanted; what means something else
// here is in the report.
//
// A line in here may read the files that it is told to, those that they include, and
// temporary files of its own, in which the result is checked. It writes no other file,
// starts nothing and asks no supd. All runs in the caller's goroutine.
package convert
