// Package measure has the figures that outlive the processes that they are of: what
// has been used, how long things took, why workers were launched again. Records and
// journals keep them, so that no counter goes back.
//
// A line in here computes values from values; any goroutine may run it. What a value
// holds is never changed but replaced, so that whoever has got it may go on reading.
package measure
