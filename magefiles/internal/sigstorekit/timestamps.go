package sigstorekit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"strings"
	"syscall"
	"time"
)

// startTimestamps starts the timestamp authority. Where another one was faster,
// its turn comes when that ends.
func (i *Instance) startTimestamps(ctx context.Context, port string) error {
	if attr := ownNetwork(); attr != nil {
		if err := i.startApart(ctx, port, attr); !errors.Is(err, syscall.EPERM) { // root of a container may not
			return err
		}
	}
	for until := time.Now().Add(i.o.Wait); ; {
		if err := metricsFree(ctx, until); err != nil {
			return err
		}
		s := i.timestampServer(port, "--host="+host, "--port="+port)
		if err := s.start(ctx, i.path()); err != nil {
			return err
		}
		err := s.await(ctx)
		if err == nil {
			select { // it may serve before it knows that it cannot serve its metrics
			case <-s.ended:
				err = fmt.Errorf("%s ended at its start: %s", s.program, s.said())
			case <-time.After(200 * time.Millisecond):
				i.servers = append(i.servers, s)
				return nil
			}
		}
		if time.Now().After(until) || !strings.Contains(s.said(), "listen tcp "+metricsPort) {
			return errors.Join(err, s.stop())
		}
	}
}

// timestampServer is the authority, which is asked on a port.
func (i *Instance) timestampServer(port string, listen ...string) *server {
	return &server{program: timestampProgram, ready: "http://" + net.JoinHostPort(host, port) + "/ping", args: append([]string{
		"serve", "--timestamp-signer=file", "--file-signer-key-path=" + i.path(timestampKey),
		"--file-signer-passwd=", "--certificate-chain-path=" + i.path(timestampCA), "--disable-ntp-monitoring",
	}, listen...)}
}

// startApart starts the timestamp authority in a network of its own, where its
// metrics are in nobody's way. A socket leads out of there, and the port to it.
func (i *Instance) startApart(ctx context.Context, port string, attr *syscall.SysProcAttr) error {
	if err := os.Remove(i.path(socket)); err != nil && !errors.Is(err, fs.ErrNotExist) { // of an earlier instance
		return err
	}
	s := i.timestampServer(port, "--scheme=unix", "--socket-path="+socket)
	s.attr = attr
	if err := s.start(ctx, i.path()); err != nil {
		return err
	}
	i.servers = append(i.servers, s)
	dir, err := os.Open(i.path())
	if err != nil {
		return err
	}
	i.fronts = append(i.fronts, dir)
	near := fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), socket) // the path of a socket has to be short
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return err
	}
	front := &http.Server{ReadHeaderTimeout: ready, Handler: &httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", host },
		ErrorLog: log.New(io.Discard, "", 0), // at first the socket is not there
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", near)
		}},
	}}
	i.fronts = append(i.fronts, front)
	go func() { _ = front.Serve(l) }() // until it is closed
	return s.await(ctx)
}

// socket is where a timestamp authority listens that has a network of its own,
// in the instance's directory.
const socket = "timestamps.sock"

// metricsPort is where a timestamp authority serves its metrics.
const metricsPort = ":2112"

// metricsFree waits until no timestamp authority runs.
func metricsFree(ctx context.Context, until time.Time) error {
	for {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", metricsPort)
		if err == nil {
			return l.Close()
		}
		if time.Now().After(until) {
			return fmt.Errorf("another timestamp authority seems to run, whose metrics have the one port that it can use: %w", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}
