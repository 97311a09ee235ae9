package main

import (
	"encoding/json"
	"net/http"
	"strings"
)

// api is an API server that answers the peer's list calls from memory.
type api struct {
	// items by the plural name of the kind, in the order given.
	items map[string][]item
}

type item struct {
	namespace string
	raw       json.RawMessage
}

// plurals are the kinds that the peer reads.
var plurals = map[string]string{
	"Ingress":       "ingresses",
	"RouteGroup":    "routegroups",
	"Service":       "services",
	"Endpoints":     "endpoints",
	"EndpointSlice": "endpointslices",
	"Secret":        "secrets",
}

const discovery = `{"resources":[{"name":"routegroups"}]}`

func newAPI(objects []json.RawMessage) (*api, error) {
	a := &api{items: map[string][]item{}}
	for _, raw := range objects {
		var head struct {
			Kind     string `json:"kind"`
			Metadata *struct {
				Namespace any `json:"namespace"`
			} `json:"metadata"`
		}
		if err := json.Unmarshal(raw, &head); err != nil {
			return nil, err
		}
		namespace := "default"
		if head.Metadata != nil {
			if text, ok := head.Metadata.Namespace.(string); ok && text != "" {
				namespace = text
			}
		}
		plural := plurals[head.Kind]
		a.items[plural] = append(a.items[plural], item{namespace, raw})
	}
	return a, nil
}

// ServeHTTP answers /api/v1/... and /apis/GROUP/v1/..., with or without namespaces/NAME in between.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if r.URL.Path == "/apis/zalando.org/v1" {
		w.Write([]byte(discovery))
		return
	}
	namespace := ""
	if n := len(parts); n >= 3 && parts[n-3] == "namespaces" {
		namespace = parts[n-2]
	}
	list := struct {
		Items []json.RawMessage `json:"items"`
	}{Items: []json.RawMessage{}}
	for _, item := range a.items[parts[len(parts)-1]] {
		if namespace == "" || item.namespace == namespace {
			list.Items = append(list.Items, item.raw)
		}
	}
	json.NewEncoder(w).Encode(list)
}
