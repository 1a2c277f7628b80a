// Package attend stays behind for a command that a person has started, and is to that
// person what the command would be: it passes signals on, stops when it stops, and gives
// its exit status.
//
// A line in here may look at this process's terminal, take its signals, and start and
// reap the one command. It is for programs that do nothing else meanwhile, such as suprun:
// it reaps whatever child has ended, and what it has taken of signals it does not give
// back.
package attend
