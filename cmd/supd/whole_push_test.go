package main_test

import (
	"io"
	"maps"
	"net"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestPush runs the scripts about what supd tells those who do not ask.
func TestPush(t *testing.T) {
	if os.Getenv(namespaceVariable) != "" {
		t.Skip("runs outside of the namespace")
	}
	t.Parallel()
	all := maps.Clone(commands)
	maps.Copy(all, map[string]func(*testscript.TestScript, bool, []string){
		"metric": waitMetric,  // see TestMetrics
		"carbon": startCarbon, // carbon VARIABLE FILE: a server on that port of 127.0.0.1 that writes into FILE what it gets
		"frozen": startFrozen, // frozen VARIABLE: one that accepts, and reads nothing
	})
	testscript.RunT(scripted{t}, testscript.Params{
		Dir: "testdata/push", WorkdirRoot: scriptRoot(t), Setup: setupMetrics, Cmds: all,
		Condition: condition, RequireUniqueNames: true,
	})
}

func startCarbon(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 2, "carbon VARIABLE FILE")
	file, err := os.Create(ts.MkAbs(args[1]))
	ts.Check(err)
	each := listenFor(ts, args[0])
	go func() {
		defer file.Close()
		for c := range each {
			io.Copy(file, c)
			c.Close()
		}
	}()
}

func startFrozen(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 1, "frozen VARIABLE")
	each := listenFor(ts, args[0])
	go func() {
		var all []net.Conn
		for c := range each {
			all = append(all, c)
		}
		for _, c := range all {
			c.Close()
		}
	}()
}

// listenFor gives the connections to a port, until the script ends.
func listenFor(ts *testscript.TestScript, variable string) <-chan net.Conn {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	ts.Check(err)
	ts.Setenv(variable, port)
	each := make(chan net.Conn)
	go func() {
		defer close(each)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			each <- c
		}
	}()
	return each
}
