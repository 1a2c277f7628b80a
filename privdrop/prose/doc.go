// Package prose has what is shown to people, of which the terminal is to obey nothing: the
// text may come from a worker, from a file of an app's user or from a command line.
//
// It imports nothing of ours, and a line in it runs in its caller's goroutine.
package prose
