package app

import (
	"context"

	"im/domain"
	"im/store/postgres"
	"im/webhook"
)

// webhooks is the store, with the calls that concern addresses made by the deliverer.
type webhooks struct {
	*postgres.Store

	deliverer *webhook.Deliverer
}

// CreateWebhook implements rest.Webhooks.
func (w webhooks) CreateWebhook(ctx context.Context, n domain.NewWebhook) (domain.Webhook, error) {
	return w.deliverer.CreateWebhook(ctx, n)
}

// UpdateWebhook implements rest.Webhooks.
func (w webhooks) UpdateWebhook(ctx context.Context, id string, p domain.WebhookPatch) (domain.Webhook, error) {
	return w.deliverer.UpdateWebhook(ctx, id, p)
}

// TestWebhook implements rest.Webhooks.
func (w webhooks) TestWebhook(ctx context.Context, id string) (domain.WebhookTest, error) {
	return w.deliverer.TestWebhook(ctx, id)
}
