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
		{"HTTP/1.1 503 \x1b]0;no\a\x9b2J\u202e\u009b\rgone\r\n\r\n", "GET /healthz: 503 ]0;no\ufffd2Jgone"},
		{"HTTP/1.1 503 Service Unavailable\r\n\r\nsecret body", "GET /healthz: 503 Service Unavailable"},
		{"HTTP/1.1 404 Not Found\r\n\r\n", "GET /healthz: 404 Not Found"},
		{"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", ""},
		{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 Oh\r\n\r\n", "GET /healthz: 500 Oh"},
		{"HTTP/1.1 100 Continue\r\n\r\n", "GET /healthz: no status line: EOF"},
		{strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 1<<16), "GET /healthz: no status line: EOF"},
		{"HTTP/1.1 101 Switching Protocols\r\n\r\n", "GET /healthz: 101 Switching Protocols"},
		{"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("huge", 1<<20) + "\r\n\r\n", ""},
		{"HTTP/1.1 200", "GET /healthz: no status line: EOF"},
		{"\r\n\r\n", `GET /healthz: the answer is not HTTP: ""`},
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
	for _, url := range []string{"https://localhost/", "localhost", "http://127.0.0.1:1/", "http://127.0.0.1:1/a b", "http:///a", "http://user@127.0.0.1:1/", "http://127.0.0.1:x/", "http://[::1/"} {
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
		if err == nil || err.Error() != "not ready after 10s: no answer within 3s" {
			t.Errorf("error %v", err)
		}
	})
}

// TestPatience: a server that is slow to send its body gets no broken pipe.
func TestPatience(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sent := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			sent <- err
			return
		}
		defer conn.Close()
		bufio.NewReader(conn).ReadString('\n')
		conn.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
		conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond)) // meanwhile the asker may leave
		for err == nil {
			_, err = conn.Read(make([]byte, 1024))
		}
		_, err = conn.Write([]byte("body"))
		sent <- err
	}()
	if err := HTTP(context.Background(), "unix", l.Addr().String(), "localhost", "/"); err != nil {
		t.Error(err)
	}
	if err := <-sent; err != nil {
		t.Errorf("server: %v", err)
	}
}

// TestEndlessBody: a server that never ends its answer has answered.
func TestEndlessBody(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := HTTPURL(ctx, s.URL); err != nil {
		t.Error(err)
	}
	if ctx.Err() != nil {
		t.Error("waited for the end of the body")
	}
}
