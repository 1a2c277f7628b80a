// Package record has what the next supd must know of what runs, as one file in the
// runtime directory: all that it cannot learn from the configuration, the journals
// of releases or the kernel.
//
// A line in here describes slots and workers as plain values, and reads or replaces
// that one file. It knows no process and signals nothing. The values belong to
// whoever made them; a Writer belongs to one goroutine at a time.
package record
