package reference

import (
	"html/template"
	"strings"
)

// frame is one frame of the WebSocket.
type frame struct {
	ID, Name, Title, Summary string
	Description              template.HTML
	Fields                   []row
	Examples                 []example
	Replies                  []link // what answers a request
}

type link struct{ ID, Name string }

// frames describes asyncapi.yaml.
type frames struct {
	document node
	schemas  schemas
}

// message returns the key and the description of a message that a channel refers to.
func (f frames) message(n node) (key string, message node) {
	ref := n.ref()
	return ref[len(ref)-1], n.resolve()
}

func frameID(key string) string { return "frame-" + key }

// requests returns the frames that a client sends.
func (f frames) requests() (list []frame) {
	for _, op := range f.document.get("operations").fields() {
		if op.value.get("action").text() != "receive" {
			continue
		}
		for _, m := range op.value.get("messages").items() {
			one := f.frame(m)
			one.Title = op.value.get("title").text()
			for _, reply := range op.value.get("reply", "messages").items() {
				key, message := f.message(reply)
				one.Replies = append(one.Replies, link{frameID(key), message.get("name").text()})
			}
			list = append(list, one)
		}
	}
	return list
}

// answers returns the frames that a server sends: the answers to requests, then what it
// pushes.
func (f frames) answers() (list []frame) {
	seen := map[string]bool{}
	add := func(messages []node) {
		for _, m := range messages {
			if key, _ := f.message(m); !seen[key] {
				seen[key] = true
				list = append(list, f.frame(m))
			}
		}
	}
	for _, op := range f.document.get("operations").fields() {
		add(op.value.get("reply", "messages").items())
	}
	for _, op := range f.document.get("operations").fields() {
		if op.value.get("action").text() == "send" {
			add(op.value.get("messages").items())
		}
	}
	return list
}

func (f frames) frame(m node) frame {
	key, message := f.message(m)
	one := frame{
		ID: frameID(key), Name: message.get("name").text(), Summary: message.get("summary").text(),
		Description: prose(message.get("description").text()), Fields: f.schemas.rows(message.get("payload")),
	}
	one.Title = strings.TrimPrefix(message.get("title").text(), one.Name+": ") // "event: member.added"
	for _, e := range message.get("examples").items() {
		one.Examples = append(one.Examples, example{e.get("name").text(), e.get("payload").asJSON()})
	}
	return one
}
