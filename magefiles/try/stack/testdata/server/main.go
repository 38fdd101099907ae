// Command server is a product with the faults that a stack has to cope with,
// asked for in variables.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "forked" {
		signal.Ignore(syscall.SIGTERM)
		time.Sleep(time.Hour)
	}
	if len(os.Args) > 1 && os.Args[1] == "once" {
		fmt.Println("done once")
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "copy" { // as cat does
		if _, err := io.Copy(os.Stdout, os.Stdin); err != nil {
			os.Exit(1)
		}
		return
	}
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

// answers asks another one of these servers.
func answers(service string) bool {
	res, err := (&http.Client{Timeout: time.Second}).Get("http://" + service + ":8080/health/ready")
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

func serve() error {
	begin := time.Now()
	fmt.Println("hello from run", os.Getpid())
	for _, text := range strings.Split(os.Getenv("PRINT"), ",") {
		fmt.Println(os.ExpandEnv(text))
	}
	if code, err := strconv.Atoi(os.Getenv("EXIT")); err == nil {
		fmt.Fprintln(os.Stderr, "cannot go on")
		os.Exit(code)
	}
	if os.Getenv("STUBBORN") != "" {
		signal.Ignore(syscall.SIGTERM)
	}
	if os.Getenv("LOCKED") != "" {
		if err := os.MkdirAll("locked/inside", 0o700); err != nil {
			return err
		}
		if err := os.Chmod("locked", 0); err != nil {
			return err
		}
	}
	if os.Getenv("FORK") != "" {
		forked := exec.Command(os.Args[0], "forked")
		forked.Stdout = os.Stdout // held open, as daemons do
		if err := forked.Start(); err != nil {
			return err
		}
		fmt.Println("forked", forked.Process.Pid)
	}
	objects := os.Getenv("STORAGE_DIR")
	if err := os.MkdirAll(objects, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(objects, "marker"), nil, 0o600); err != nil {
		return err
	}
	u, err := url.Parse(os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	db, err := os.OpenFile(u.Path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	wait, _ := time.ParseDuration(os.Getenv("BIND_AFTER"))
	time.Sleep(wait)

	lateness, _ := time.ParseDuration(os.Getenv("READY_AFTER"))
	http.HandleFunc("/health/ready", func(w http.ResponseWriter, _ *http.Request) {
		_, err := os.Stat(filepath.Join(objects, "marker"))
		switch {
		case os.Getenv("NEVER") != "":
			http.Error(w, "not today, "+os.Getenv("JWT_SECRET"), http.StatusServiceUnavailable)
		case os.Getenv("HANG") != "":
			time.Sleep(time.Hour)
		case time.Since(begin) < lateness:
			http.Error(w, "not yet", http.StatusServiceUnavailable)
		case os.Getenv("NEEDS") != "" && !answers(os.Getenv("NEEDS")):
			http.Error(w, os.Getenv("NEEDS")+" is away", http.StatusServiceUnavailable)
		case err != nil:
			http.Error(w, "object store down", http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("/surroundings", func(w http.ResponseWriter, _ *http.Request) {
		dir, _ := os.Getwd()
		_ = json.NewEncoder(w).Encode(map[string]any{"env": os.Environ(), "args": os.Args, "dir": dir, "pid": os.Getpid()})
	})
	http.HandleFunc("/put/{name}", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = db.WriteString(r.PathValue("name") + "\n")
		_ = os.WriteFile(filepath.Join(objects, r.PathValue("name")), []byte(r.PathValue("name")), 0o600)
	})
	http.HandleFunc("/get/{name}", func(w http.ResponseWriter, r *http.Request) {
		rows, _ := os.ReadFile(u.Path)
		if !strings.Contains(string(rows), r.PathValue("name")+"\n") {
			http.NotFound(w, r)
			return
		}
		http.ServeFile(w, r, filepath.Join(objects, r.PathValue("name")))
	})
	http.HandleFunc("/crash", func(http.ResponseWriter, *http.Request) {
		fmt.Println("panic: at the disco")
		os.Exit(7)
	})
	l, err := net.Listen("tcp", os.Getenv("BIND_ADDR"))
	if err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	if os.Getenv("STUBBORN") == "" {
		signal.Notify(stop, syscall.SIGTERM)
	}
	go func() {
		<-stop
		fmt.Println("asked to stop")
		_ = db.Close()
		os.Exit(0)
	}()
	if err := http.Serve(l, nil); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
