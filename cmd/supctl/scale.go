package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"supd/supervisor/api"
)

func (c *call) scale() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "scale APP/PROCESS=N…",
		Short: "Run another number of workers, until the next configuration is applied",
		Long: "Run another number of workers, until the next configuration is applied, and wait until they\n" +
			"are ready, or have ended. They come and go at the highest slots. `stop` is for none at all.",
		ValidArgsFunction: c.completeTargets,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("scale needs a process and a number, such as `supctl scale whois/web=4`")
			}
			if timeout < 0 {
				return fmt.Errorf("--timeout %s: want 0 (without limit) or more", timeout)
			}
			requests := make([]api.Request, len(args))
			for i, text := range args {
				r, err := scaleRequest(text)
				if err != nil {
					return err
				}
				r.Timeout = timeout
				requests[i] = r
			}
			for _, r := range requests {
				if err := c.do(cmd.Context(), r); err != nil {
					return err
				}
			}
			return nil
		},
	}
	timeoutFlag(cmd, &timeout)
	return cmd
}

// timeoutFlag is that of commands that wait.
func timeoutFlag(cmd *cobra.Command, timeout *time.Duration) {
	cmd.Flags().DurationVar(timeout, "timeout", 0, "how long to wait, such as 30s; supd goes on after that (0 waits without limit)")
}

func scaleRequest(text string) (api.Request, error) {
	target, number, _ := strings.Cut(text, "=")
	n, err := strconv.Atoi(number)
	switch {
	case err != nil || n < 0 || target == "":
		return api.Request{}, fmt.Errorf("%q: want APP/PROCESS=N, such as whois/web=4", text)
	case n == 0:
		return api.Request{}, fmt.Errorf("%q: want 1 or more; `supctl stop %s` is for none", text, target)
	}
	return api.Request{Action: api.ActionScale, Targets: []string{target}, Count: n}, nil
}
