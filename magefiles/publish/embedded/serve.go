package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// Server is a store that is being served.
type Server struct {
	// Addr is the host and port that it listens on: with a repository's name
	// behind a slash it makes a reference.
	Addr string

	http  *http.Server
	store *Store
	done  chan error
}

// Serve opens the store in dir and serves it over HTTP on a loopback address,
// "127.0.0.1:0" (any free port) where addr is empty. It ends when ctx does or
// with [Server.Close].
func Serve(ctx context.Context, dir, addr string, o Options) (*Server, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	if err := onLoopback(addr); err != nil {
		return nil, err
	}
	store, err := Open(dir, o)
	if err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listening on %s: %w", addr, err), store.Close())
	}
	s := &Server{
		Addr: l.Addr().String(), store: store, done: make(chan error, 1),
		http: &http.Server{
			Handler: store, ReadHeaderTimeout: 30 * time.Second,
			ErrorLog: log.New(io.Discard, "", 0), // clients see what went wrong
		},
	}
	go func() {
		err := s.http.Serve(l)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		s.done <- errors.Join(err, store.Close())
	}()
	context.AfterFunc(ctx, func() { _ = s.http.Close() })
	return s, nil
}

// onLoopback wants an address of this machine: the registry asks nobody for a
// password.
func onLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%q is no address: want host:port, such as 127.0.0.1:5000 (%w)", addr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("%s is not a loopback address: this registry has no accounts, listen on 127.0.0.1 instead", addr)
	}
	return nil
}

// Repository gives the reference of a repository on this server.
func (s *Server) Repository(name string) string { return s.Addr + "/" + name }

// Wait blocks until the server has ended.
func (s *Server) Wait() error {
	err := <-s.done
	s.done <- err
	return err
}

// Close ends the server and lets others open its store.
func (s *Server) Close() error {
	err := s.http.Close()
	return errors.Join(err, s.Wait())
}

// Repositories lists what is served, sorted.
func (s *Server) Repositories() ([]string, error) { return s.store.repos() }
