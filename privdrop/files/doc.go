// Package files is what several packages do with files in the same way. It imports
// nothing of ours. A function in here runs in its caller's goroutine, and needs
// neither Go's poller nor any privilege of its own.
package files
