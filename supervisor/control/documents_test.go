package control

import (
	"net"
	"os"
	"strings"
	"testing"

	"supd/supervisor/api"
)

// What listens on a socket need not be supd: however much it answers, a client holds no
// more of it than supd would ever say.
func TestAnswersAreBounded(t *testing.T) {
	long := `"` + strings.Repeat("x", 1<<20) + `"`
	short := `"` + strings.Repeat("x", 40<<10) + `"`
	for _, test := range []struct {
		name, answer string
		ask          func(c *Client) error
		want         string
	}{
		{"version", `200 OK` + "\r\n\r\n" + `{"version":` + long + `}`, func(c *Client) error { _, err := c.Version(t.Context()); return err }, "longer than any"},
		{"refusal", `400 Bad Request` + "\r\n\r\n" + `{"code":2,"message":` + long + `}`, func(c *Client) error { _, err := c.Version(t.Context()); return err }, "is that supd?"},
		{"watch", `200 OK` + "\r\n\r\n" + strings.Repeat(`{"x":`+short+`}`, 4) + `{"x":` + long + `}`, func(c *Client) error {
			return c.Watch(t.Context(), nil, func(*api.Status) error { return nil })
		}, "longer than any"},
		{"rollout", `200 OK` + "\r\n\r\n" + strings.Repeat(`{"x":`+short+`}`, 4) + `{"x":` + long + `}`, func(c *Client) error {
			return c.Rollout(t.Context(), "whois", 0, true, func(RolloutLine) error { return nil })
		}, "longer than any"},
		{"run", `101 Switching Protocols` + "\r\n\r\n" + `{"message":` + long + `,"code":7}`, func(c *Client) error {
			run, err := c.Run(t.Context(), api.CommandRequest{App: "whois", Argv: []string{"id"}}, []int{int(os.Stdin.Fd())})
			if err == nil {
				defer run.Close()
				_, err = run.Wait()
			}
			return err
		}, "longer than any"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := strange(t, func(conn net.Conn) {
				_, _ = conn.Read(make([]byte, 4096))
				_, _ = conn.Write([]byte("HTTP/1.1 " + test.answer))
			})
			c.most = 64 << 10
			wantCode(t, test.ask(c), api.CodeFailed, test.want)
		})
	}
}
