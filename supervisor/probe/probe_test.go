package probe

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// serve answers every connection on a unix socket with text.
func serve(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				bufio.NewReader(conn).ReadString('\n')
				conn.Write([]byte(text))
				conn.Close()
			}()
		}
	}()
	return path
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct{ answer, want string }{
		{"HTTP/1.1 200 OK\r\n\r\n", ""},
		{"HTTP/1.0 204 No Content\r\n", ""},
		{"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", ""},
		{"HTTP/1.1 200\n", ""},
		{"HTTP/1.1 503 Service Unavailable\r\n\r\nsecret body", "GET /healthz: 503 Service Unavailable"},
		{"HTTP/1.1 404 Not Found\r\n\r\n", "GET /healthz: 404 Not Found"},
		{"HTTP/1.1 100 Continue\r\n\r\n", "GET /healthz: 100 Continue"},
		{"", "GET /healthz: no status line: EOF"},
		{"SSH-2.0-x\r\n", `GET /healthz: the answer is not HTTP: "SSH-2.0-x"`},
		{"HTTP/1.1 2000 OK\r\n", `GET /healthz: the answer is not HTTP: "HTTP/1.1 2000 OK"`},
		{"HTTP/1.1 -20 OK\r\n", "GET /healthz: -20 OK"},
		{strings.Repeat("x", 1<<20), "GET /healthz: no status line: EOF"},
	} {
		err := HTTP(context.Background(), "unix", serve(t, c.answer), "localhost", "/healthz")
		if got := text(err); got != c.want {
			t.Errorf("answer %.40q: error %q, want %q", c.answer, got, c.want)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestRequest(t *testing.T) {
	var got *http.Request
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r }))
	defer s.Close()
	if err := HTTPURL(context.Background(), s.URL+"/a/b?c=d"); err != nil {
		t.Fatal(err)
	}
	if got.Method != "GET" || got.RequestURI != "/a/b?c=d" || got.Host != strings.TrimPrefix(s.URL, "http://") || got.UserAgent() != "supd" {
		t.Errorf("request %s %s, host %s", got.Method, got.RequestURI, got.Host)
	}
	for _, url := range []string{"https://localhost/", "localhost", "http://127.0.0.1:1/", "http://127.0.0.1/a b"} {
		if err := HTTPURL(context.Background(), url); err == nil {
			t.Errorf("%s: no error", url)
		}
	}
}

// TestSilence: a server that takes the connection and says nothing.
func TestSilence(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := HTTP(ctx, "unix", path, "localhost", "/"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if err := TCP(context.Background(), "unix", path); err != nil {
		t.Errorf("a listening socket: %v", err)
	}
	l.Close()
	if err := TCP(context.Background(), "unix", path); err == nil {
		t.Error("no error without a listener")
	}
}

func TestUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, asked := time.Now(), 0
		err := Until(context.Background(), 10*time.Millisecond, func(context.Context) error {
			if asked++; time.Since(begin) < 20*time.Second {
				return errors.New("not yet")
			}
			return nil
		})
		if took := time.Since(begin); err != nil || took > 22*time.Second || asked < 20 || asked > 60 {
			t.Errorf("after %v and %d questions: %v", took, asked, err)
		}
	})
}

func TestUntilTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err := Until(ctx, 10*time.Millisecond, func(ctx context.Context) error {
			<-ctx.Done() // hangs
			return ctx.Err()
		})
		if err == nil || !strings.Contains(err.Error(), "no answer within 3s") {
			t.Errorf("error %v", err)
		}
	})
}
