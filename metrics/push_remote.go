package metrics

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/prometheus/client_golang/exp/api/remote"

	"supd/configs"
)

// remoteWrite is a Prometheus, or what takes its remote write protocol. Version 2 has
// native histograms; who does not take it gets version 1 and classic ones.
type remoteWrite struct {
	url         *url.URL
	credentials string // path of a file, or empty
	agent       string
	own         []pair // labels of all series, which a scrape would add
	transport   *http.Transport

	authorization string                  // of this push
	status        int                     // of the last answer; 0 is none
	takes         remote.WriteMessageType // "" until it is known
	known         known                   // what the last push that was taken has sent
}

func newRemoteWrite(to *url.URL, credentials, host, version string) *remoteWrite {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxResponseHeaderBytes = 64 << 10
	return &remoteWrite{url: to, credentials: credentials, agent: "supd/" + version, transport: transport,
		own: []pair{{"instance", host}, {"job", "supd"}}}
}

// perRequest is the most series in one request, as Prometheus has it by default
// (max_samples_per_send): receivers and proxies have limits.
const perRequest = 2000

func (r *remoteWrite) send(ctx context.Context, b *batch) error {
	defer r.transport.CloseIdleConnections() // nothing is kept that could be dead by then
	if r.credentials != "" {
		var err error
		if r.authorization, err = configs.ReadCredentials(r.credentials); err != nil {
			return err
		}
	}
	all := r.readings(b)
	now := keys(all)
	for part := range slices.Chunk(append(all, r.known.gone(now)...), perRequest) {
		if err := r.sendPart(ctx, part, b.at.UnixMilli()); err != nil {
			return err
		}
	}
	r.known = knownOf(now)
	return nil
}

// sendPart tries both versions where an answer may be about the version.
func (r *remoteWrite) sendPart(ctx context.Context, part []reading, at int64) error {
	if r.takes != remote.WriteV1MessageType {
		before := r.takes
		err := r.post(ctx, remote.WriteV2MessageType, messageV2(part, at), len(part))
		if err == nil || before != "" || !r.refuses() {
			return err
		}
	}
	message := messageV1(part, at)
	if len(message) == 0 { // all was native
		return nil
	}
	return r.post(ctx, remote.WriteV1MessageType, message, 0)
}

// refuses reports whether the last answer may mean that the receiver does not take
// version 2, or not with native histograms. Prometheus up to 2.53 takes it for an empty
// message of version 1, and says 204; one without native histograms says 500, to all.
func (r *remoteWrite) refuses() bool {
	switch r.status {
	case http.StatusOK, http.StatusNoContent, http.StatusBadRequest, http.StatusUnsupportedMediaType, http.StatusInternalServerError:
		return true
	}
	return false
}

// What is tried again within a push: no answer, 5xx and 429, not before Retry-After.
var backoff = remote.BackoffConfig{Min: 500 * time.Millisecond, Max: 5 * time.Second, MaxRetries: 3}

// post sends one message, of which the receiver has to confirm so many series.
func (r *remoteWrite) post(ctx context.Context, version remote.WriteMessageType, message any, series int) error {
	probing := version == remote.WriteV2MessageType && r.takes == ""
	r.takes = ""
	api, err := r.api()
	if err != nil {
		return err
	}
	attempts, stop := context.WithCancel(ctx)
	defer stop()
	var last error
	written, err := api.Write(attempts, version, message, remote.WithWriteRetryCallback(func(err error) {
		if last = err; probing && r.refuses() {
			stop()
		}
	}))
	switch {
	case err == nil && written.AllSamples() < series:
		return fmt.Errorf("the receiver has written %d of %d series", written.AllSamples(), series)
	case err == nil:
		r.takes = version
	case last != nil && attempts.Err() != nil: // while it waited for the next attempt
		return last
	}
	return err
}

// api makes a client for one request. It has a buffer, which the transport may still read
// when the answer is there (net/http's RoundTripper), and which the next request would
// get. Of the URL it knows what an error may show; RoundTrip knows all.
func (r *remoteWrite) api() (*remote.API, error) {
	shown := url.URL{Scheme: r.url.Scheme, Host: r.url.Host}
	return remote.NewAPI(shown.String(), remote.WithAPIPath(""), remote.WithAPIBackoff(backoff),
		remote.WithAPIHTTPClient(&http.Client{Transport: r, CheckRedirect: stay}))
}

// stay lets a redirection be an error: a POST would become a GET, which is answered 200.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// answerSize is what is read of an answer.
const answerSize = 256

// RoundTrip sends a request to the very URL that is configured.
func (r *remoteWrite) RoundTrip(q *http.Request) (*http.Response, error) {
	q = q.Clone(q.Context())
	q.URL = r.url
	q.Header.Set("User-Agent", r.agent)
	if r.authorization != "" {
		q.Header.Set("Authorization", r.authorization)
	}
	r.status = 0
	answer, err := r.transport.RoundTrip(q)
	if err != nil {
		return nil, err
	}
	r.status = answer.StatusCode
	answer.Body = beginning{io.LimitReader(answer.Body, answerSize), answer.Body}
	return answer, nil
}

// beginning is the part of a body that is read.
type beginning struct {
	io.Reader
	io.Closer
}
