package attachment

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// The results of uploads and deletions.
const (
	uploadAccepted = "accepted"
	uploadRefused  = "refused"
	uploadFailed   = "failed"

	deletionDone   = "done"
	deletionFailed = "failed"
)

type metrics struct {
	created, links, orphans prometheus.Counter
	uploads, deletions      *prometheus.CounterVec
	bytes                   *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	f := promauto.With(r)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		created: counter("im_attachment_created_total", "Attachments that clients have declared at this node."),
		links:   counter("im_attachment_links_total", "Addresses of files that this node has signed for readers."),
		orphans: counter("im_attachment_orphans_total", "Attachments that this node has given up because no message named them in time."),
		uploads: f.NewCounterVec(prometheus.CounterOpts{
			Name: "im_attachment_uploads_total",
			Help: "Uploads by result: accepted, refused (not what was declared) or failed (the storage or the client). Those to a bucket count when a node finds them.",
		}, []string{"result"}),
		deletions: f.NewCounterVec(prometheus.CounterOpts{
			Name: "im_attachment_deletions_total",
			Help: "Attempts of this node to delete a file, by result: done or failed (to be tried again).",
		}, []string{"result"}),
		bytes: f.NewCounterVec(prometheus.CounterOpts{
			Name: "im_attachment_bytes_total", Help: "Bytes of files that this node has taken (in) and served (out), with a folder as the storage.",
		}, []string{"direction"}),
	}
	for _, result := range []string{uploadAccepted, uploadRefused, uploadFailed} {
		m.uploads.WithLabelValues(result)
	}
	for _, result := range []string{deletionDone, deletionFailed} {
		m.deletions.WithLabelValues(result)
	}
	for _, direction := range []string{"in", "out"} {
		m.bytes.WithLabelValues(direction)
	}
	return m
}
