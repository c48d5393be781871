package rest

import (
	"net/http"

	"im/domain"
)

func (h *handler) reportMessage(w http.ResponseWriter, r *request) error {
	id, seq, body := r.conversationID(), r.seq(), r.object("category")
	report := domain.NewReport{Category: domain.ReportCategory(body.text("category", 0)), Text: body.text("text", 0)}
	if err := r.check(); err != nil {
		return err
	}
	if err := report.Check(h.limits); err != nil {
		return err
	}
	return writeDone(w, h.Reports.Report(r.Context(), r.Actor, id, seq, report))
}

func (h *handler) listReports(w http.ResponseWriter, r *request) error {
	state, given := r.value("state")
	cursor, limit := r.page(h.limits.ListPage)
	if err := r.checkBackend(); err != nil {
		return err
	}
	if given {
		if err := domain.ReportState(state).Check(); err != nil {
			return err
		}
	}
	page, err := h.Reports.ListReports(r.Context(), domain.ReportState(state), cursor, limit)
	return writeResult(w, page, err)
}

func (h *handler) decideReport(w http.ResponseWriter, r *request) error {
	id, body := r.reportID(), r.object("state")
	state := domain.ReportState(body.text("state", 0))
	if err := r.checkBackend(); err != nil {
		return err
	}
	if err := state.Check(); err != nil {
		return err
	}
	report, err := h.Reports.DecideReport(r.Context(), id, state)
	return writeResult(w, report, err)
}
