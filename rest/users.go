package rest

import (
	"context"
	"net/http"

	"im/domain"
	"im/rest/api"
)

// Profiles keeps what is known of users. Users leaves out whom the actor shares
// no conversation with.
type Profiles interface {
	Users(ctx context.Context, a domain.Actor, users []domain.UserID) (map[domain.UserID]domain.UserProfile, error)
	PutProfile(ctx context.Context, user domain.UserID, p domain.UserProfile) error
}

// errBackendsOnly is the answer to users who call what is for backends.
var errBackendsOnly = domain.ErrForbidden.WithMessage("only a server token as itself may call this")

// asBackend refuses all but a backend that speaks for itself.
func asBackend(ctx context.Context) error {
	if !callerOf(ctx).Backend {
		return errBackendsOnly
	}
	return nil
}

// GetUsers implements api.RawHandler.
func (h *handler) GetUsers(ctx context.Context, params api.GetUsersParams, w http.ResponseWriter) error {
	asked := userIDs(params.UserID)
	for _, user := range asked {
		if _, err := domain.ParseUserID("/user_id", string(user)); err != nil {
			return err
		}
	}
	users, err := h.profiles.Users(ctx, callerOf(ctx).Actor, asked)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct {
		Users map[domain.UserID]domain.UserProfile `json:"users"`
	}{users})
	return nil
}

// PutUser implements api.RawHandler.
func (h *handler) PutUser(ctx context.Context, req *api.PutUser, params api.PutUserParams, w http.ResponseWriter) error {
	if err := asBackend(ctx); err != nil {
		return err
	}
	user, err := domain.ParseUserID("/user_id", string(params.UserID))
	if err != nil {
		return err
	}
	p := domain.UserProfile{
		Profile:  domain.Profile{Name: change(req.Name).Value, AvatarURL: change(req.AvatarURL).Value},
		Metadata: metadata(req.Metadata),
	}
	if err := p.Check(h.limits); err != nil {
		return err
	}
	if err := h.profiles.PutProfile(ctx, user, p); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, p)
	return nil
}
