// Bench measures supd against the limit that the machine sets, and against other
// supervisors where they are installed, and prints a table. It asserts nothing:
// people judge a number that is worse than its goal.
//
//	bench [--sizes N,…] [MEASUREMENT…]    launch suprun replace fleet idle restart
//	                                      swap deploy register reexec takeover
//	                                      capture scrape statsd
//
// Of all that, fleet takes the longest: with its five sizes some ten minutes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

var version = "dev"

// measurement is one question, with the function that answers it.
type measurement struct {
	name    string
	measure func(context.Context, *bench) error
}

var measurements = []measurement{
	{"launch", launches},
	{"suprun", suprun},
	{"replace", replacement},
	{"fleet", fleet},
	{"idle", idle},
	{"restart", restart},
	{"swap", swap},
	{"deploy", deploy},
	{"register", register},
	{"reexec", reexec},
	{"takeover", takeover},
	{"capture", capture},
	{"scrape", scrape},
	{"statsd", statsd},
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	sizes := sizes(fleetSizes)
	flags.Var(&sizes, "sizes", "numbers of `workers` in the fleets, with commas")
	asked := flags.Bool("version", false, "print the version")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if *asked {
		fmt.Println("bench", version)
		return nil
	}
	names := flags.Args()
	for _, name := range names {
		if !slices.ContainsFunc(measurements, func(m measurement) bool { return m.name == name }) {
			return fmt.Errorf("unknown measurement %q", name)
		}
	}
	b, err := newBench()
	if err != nil {
		return err
	}
	b.sizes = sizes
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	fmt.Println(machine())
	for _, m := range measurements {
		if len(names) > 0 && !slices.Contains(names, m.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s …\n", m.name)
		if err := m.measure(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return b.print(os.Stdout)
}

// sizes is a flag: numbers with commas.
type sizes []int

func (s *sizes) String() string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint([]int(*s)), " ", ","), "[]")
}

func (s *sizes) Set(text string) error {
	*s = nil
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return fmt.Errorf("%q: want numbers above 0, with commas", word)
		}
		*s = append(*s, n)
	}
	return nil
}

// machine describes the machine that was measured on.
func machine() string {
	var u unix.Utsname
	unix.Uname(&u)
	who := "as root, workers as nobody"
	if os.Geteuid() != 0 {
		who = "not as root: no user is changed"
	}
	return fmt.Sprintf("Linux %s, %s processors, %s", unix.ByteSliceToString(u.Release[:]), processors(), who)
}

func processors() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "?"
	}
	return fmt.Sprint(strings.Count(string(text), "\nprocessor") + 1)
}
