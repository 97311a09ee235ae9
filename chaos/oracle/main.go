// The oracle: what routesrv serves for a cluster.
//
// In: one JSON object a line, with the flags and the objects of a cluster. Out: one line for each, with the status, the
// bytes, the count and the zone tables that the peer's own server answers after its first poll, and the ids of the routes
// that no client can use. The objects reach the peer's Kubernetes client over HTTP. What can go wrong: the
// peer exits or panics; whoever asked sees the end of the output and starts another oracle.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	log "github.com/sirupsen/logrus"
	"github.com/zalando/skipper/config"
	"github.com/zalando/skipper/eskip"
	"github.com/zalando/skipper/routesrv"
)

// question is one cluster.
type question struct {
	Flags   []string          `json:"flags"`
	Objects []json.RawMessage `json:"objects"`
	// DefaultFilters are the files of a folder for -default-filters-dir, by name.
	DefaultFilters map[string]string `json:"defaultFilters"`
	// Runs is how often the peer is started for this cluster: where it decides at random, the answers differ.
	Runs int `json:"runs"`
}

// answer is what the peer made of it in one run.
type answer struct {
	// Error says why there is no answer.
	Error   string            `json:"error,omitempty"`
	Status  int               `json:"status"`
	Routes  string            `json:"routes"`
	Count   int               `json:"count"`
	Zones   map[string]string `json:"zones,omitempty"`
	Refused []string          `json:"refused,omitempty"`
	Log     []string          `json:"log,omitempty"`
}

// pollDeadline bounds one poll of a cluster that is served from memory.
const pollDeadline = 30 * time.Second

var (
	// definition is the begin of a route: all ids are the peer's own, and a line that an object's text breaks begins with
	// none of them.
	definition = regexp.MustCompile(`(?m)^((?:clone_)*(?:kube|__)[A-Za-z0-9_]*): `)
	zone       = regexp.MustCompile(`\?zone=([^"&]*)"`)
)

func main() {
	log.SetOutput(io.Discard)
	polls := &pollHook{done: make(chan error, 1)}
	log.AddHook(polls)

	in := bufio.NewReader(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for {
		line, err := in.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			if err := out.Encode(respond(line, polls)); err != nil {
				os.Exit(1)
			}
		}
		if err != nil {
			return
		}
	}
}

func respond(line []byte, polls *pollHook) []answer {
	var q question
	if err := json.Unmarshal(line, &q); err != nil {
		return []answer{{Error: err.Error()}}
	}
	runs := max(q.Runs, 1)
	answers := make([]answer, 0, runs)
	for range runs {
		if grows(q.Flags) && os.Getenv(single) == "" {
			answers = append(answers, elsewhere(q))
		} else {
			answers = append(answers, run(q, polls))
		}
	}
	return answers
}

// single marks a process that answers once.
const single = "BELLWETHER_ORACLE_SINGLE"

// grows tells whether the peer keeps something of these flags in a variable of its package, so that a second cluster in
// the same process would see the first one's.
func grows(flags []string) bool {
	for _, flag := range flags {
		if strings.HasPrefix(strings.TrimLeft(flag, "-"), "whitelisted-healthcheck-cidr") {
			return true
		}
	}
	return false
}

// elsewhere asks a process of its own.
func elsewhere(q question) answer {
	q.Runs = 1
	text, err := json.Marshal(q)
	if err != nil {
		return answer{Error: err.Error()}
	}
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), single+"=1")
	command.Stdin = bytes.NewReader(text)
	out, err := command.Output()
	if err != nil {
		// What the other process does not survive, this one would not either.
		os.Exit(2)
	}
	var answers []answer
	if err := json.Unmarshal(out, &answers); err != nil || len(answers) != 1 {
		return answer{Error: fmt.Sprintf("no answer from the process of its own: %v", err)}
	}
	return answers[0]
}

func run(q question, polls *pollHook) answer {
	api, err := newAPI(q.Objects)
	if err != nil {
		return answer{Error: err.Error()}
	}
	server := httptest.NewServer(api)
	defer server.Close()

	args := append([]string{"-kubernetes", "-kubernetes-url=" + server.URL, "-source-poll-timeout=3600000"}, q.Flags...)
	if len(q.DefaultFilters) > 0 {
		folder, err := writeFiles(q.DefaultFilters)
		if err != nil {
			return answer{Error: err.Error()}
		}
		defer os.RemoveAll(folder)
		args = append(args, "-default-filters-dir="+folder)
	}
	cfg := config.NewConfig()
	if err := cfg.ParseArgs("routesrv", args); err != nil {
		return answer{Error: err.Error()}
	}
	// The end of a poll is heard at the level INFO; only those below it change the table.
	log.SetLevel(max(cfg.ApplicationLogLevel, log.InfoLevel))

	polls.reset()
	rs, err := routesrv.New(cfg.ToOptions())
	if err != nil {
		return answer{Error: err.Error()}
	}
	rs.StartUpdates()
	defer rs.StopUpdates()
	select {
	case err = <-polls.done:
	case <-time.After(pollDeadline):
		err = fmt.Errorf("the peer's first poll took longer than %s", pollDeadline)
	}
	if err != nil {
		return answer{Error: err.Error(), Log: polls.said()}
	}
	return read(rs, polls)
}

// read asks the server as its clients do.
func read(rs *routesrv.RouteServer, polls *pollHook) answer {
	main := get(rs, "/routes")
	count, _ := strconv.Atoi(main.Header().Get("X-Count"))
	a := answer{
		Status:  main.Code,
		Routes:  main.Body.String(),
		Count:   count,
		Zones:   map[string]string{},
		Refused: []string{},
		Log:     polls.said(),
	}
	for _, match := range zone.FindAllStringSubmatch(a.Routes, -1) {
		name, err := url.QueryUnescape(match[1])
		if err != nil || a.Zones[name] != "" {
			continue
		}
		if table := get(rs, "/routes/"+url.PathEscape(name)).Body.String(); table != a.Routes {
			a.Zones[name] = table
		}
	}
	for _, route := range split(a.Routes) {
		if !usable(route) {
			a.Refused = append(a.Refused, definition.FindStringSubmatch(route)[1])
		}
	}
	return a
}

// usable tells whether clients can make one route of a definition: a forward backend without an address parses, but
// leads nowhere.
func usable(route string) bool {
	parsed, err := eskip.Parse(route)
	return err == nil && len(parsed) == 1 && (parsed[0].BackendType != eskip.NetworkBackend || parsed[0].Backend != "")
}

func get(handler http.Handler, path string) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
	return recorder
}

// split cuts a table into its definitions, each of which starts a line.
func split(table string) []string {
	starts := definition.FindAllStringIndex(table, -1)
	routes := make([]string, len(starts))
	for i, start := range starts {
		end := len(table)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		routes[i] = strings.TrimSuffix(table[start[0]:end], "\n")
	}
	return routes
}

func writeFiles(files map[string]string) (string, error) {
	folder, err := os.MkdirTemp("", "oracle")
	if err != nil {
		return "", err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, filepath.Base(name)), []byte(text), 0o600); err != nil {
			return folder, err
		}
	}
	return folder, nil
}
