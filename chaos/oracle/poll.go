package main

import (
	"fmt"
	"sync"

	log "github.com/sirupsen/logrus"
	"github.com/zalando/skipper/routesrv"
)

// pollHook hears from the peer's log when a poll is over.
type pollHook struct {
	done     chan error
	mu       sync.Mutex
	messages []string
}

// kept bounds what is remembered of one run's complaints.
const kept = 50

// Levels makes it hear everything.
func (h *pollHook) Levels() []log.Level { return log.AllLevels }

// Fire is called with every line.
func (h *pollHook) Fire(entry *log.Entry) error {
	switch entry.Message {
	case routesrv.LogRoutesUpdated, routesrv.LogRoutesEmpty:
		h.end(nil)
	case routesrv.LogRoutesFetchingFailed:
		h.end(fmt.Errorf("%s: %v", entry.Message, entry.Data[log.ErrorKey]))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if entry.Level <= log.WarnLevel && len(h.messages) < kept {
		h.messages = append(h.messages, entry.Message)
	}
	return nil
}

func (h *pollHook) end(err error) {
	select {
	case h.done <- err:
	default:
	}
}

func (h *pollHook) reset() {
	select {
	case <-h.done:
	default:
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.messages = nil
}

func (h *pollHook) said() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string{}, h.messages...)
}
