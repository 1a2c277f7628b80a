package privdrop

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSizes asks the kernel as well, at the last byte that it takes and at the next.
func TestSizes(t *testing.T) {
	most := 32 * os.Getpagesize()
	long := strings.Repeat("x", most)
	for _, test := range []struct {
		size int
		ok   bool
	}{{most - 1, true}, {most, false}} {
		arg, env := long[:test.size], "A="+long[2:test.size]
		if err := TooLong(arg); (err == nil) != test.ok {
			t.Errorf("an argument of %d bytes: %v", test.size, err)
		}
		if err := exec.Command("/bin/true", arg).Run(); (err == nil) != test.ok {
			t.Errorf("the kernel, of an argument of %d bytes: %v", test.size, err)
		}
		cmd := exec.Command("/bin/true")
		cmd.Env = []string{env}
		if err := cmd.Run(); (err == nil) != test.ok {
			t.Errorf("the kernel, of a variable of %d bytes: %v", test.size, err)
		}
	}

	stack := Limits(nil).StackLimit()
	whole := int(max(min(stack/4, 6<<20), 128<<10))
	cmd := exec.Command("/bin/true")
	size := 2*(len("/bin/true")+1) + 8
	for i := 0; size+2*(most/2) < whole; i++ {
		cmd.Env = append(cmd.Env, fmt.Sprintf("V%06d=%s", i, long[:most/2-17]))
		size += most / 2
	}
	rest := whole - size - 9
	for len := range []int{0, 1} {
		env := append(cmd.Env, "LAST="+strings.Repeat("x", rest-5+len))
		if err := TooMuch("/bin/true", []string{"/bin/true"}, env, stack); (err == nil) != (len == 0) {
			t.Errorf("%d bytes too much: %v", len, err)
		}
		kernel := &exec.Cmd{Path: "/bin/true", Args: []string{"/bin/true"}, Env: env}
		if err := kernel.Run(); (err == nil) != (len == 0) || err != nil && !errors.Is(err, unix.E2BIG) {
			t.Errorf("%d bytes too much, to the kernel: %v", len, err)
		}
	}
}
