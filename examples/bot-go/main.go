// The bot answers every message of a direct conversation, and messages of groups that
// mention it. It is a user of its own: see README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"im/client"
)

// The bot's user. The device belongs to the store: a second bot beside this one needs
// another of each.
const (
	user   = "echo"
	device = "echo-1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	secret := os.Getenv("IM_JWT_SECRET")
	if secret == "" {
		return errors.New("set IM_JWT_SECRET to the same value as for im")
	}
	url := os.Getenv("IM_URL")
	if url == "" {
		url = "http://127.0.0.1:8080"
	}
	c, err := client.New(client.Options{
		URLs:   []string{url},
		Token:  func(context.Context) (string, error) { return token(secret) },
		Device: device,
		// A bot that was stopped answers what came while it was away.
		Store:   client.NewFileStore("bot.json"),
		OnEvent: answer,
		OnStatus: func(_ context.Context, _ *client.Client, s client.Status) {
			log.Print(s.State)
		},
	})
	if err != nil {
		return err
	}
	return c.Run(ctx)
}

// token signs a token of the bot for an hour. The client calls it again in time.
func token(secret string) (string, error) {
	claims := jwt.MapClaims{"sub": user, "name": "Echo bot", "exp": time.Now().Add(time.Hour).Unix()}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
}

// answer receives each event of the bot's conversations, once and in order. An error
// that it returns ends the bot.
func answer(ctx context.Context, c *client.Client, e client.Event) error {
	m, ok := client.MessageOf(e)
	if !ok || e.Sender == c.User() {
		return nil
	}
	conversation, ok := c.Conversation(e.ConversationID)
	if !ok || conversation.Kind == client.KindGroup && !slices.Contains(m.Mentions, c.User()) {
		return nil
	}
	_, err := c.Send(ctx, client.Post{
		ConversationID: e.ConversationID,
		Content:        client.Text("You said: " + client.TextOf(m.Content)),
		ReplyTo:        e.Seq,
		// After a crash, the same event may come again. The same id makes the same
		// message of both answers.
		ClientMsgID: fmt.Sprintf("answer-%s-%d", e.ConversationID, e.Seq),
	})
	// Refusals are about this message alone: the bot may have been blocked or removed.
	var refused *client.Error
	if errors.As(err, &refused) {
		log.Printf("no answer in %s: %v", e.ConversationID, err)
		return nil
	}
	return err
}
