package client_test

import (
	"context"
	"fmt"
	"log"

	"im/client"
)

// A content is JSON with a type; texts have a shorthand.
func ExampleText() {
	content := client.Text("hello")
	fmt.Println(string(content))
	fmt.Println(client.TextOf(content))
	// Output:
	// {"type":"text","text":"hello"}
	// hello
}

// A bot that answers what it is told directly.
func Example() {
	ctx := context.Background()
	var c *client.Client
	c, err := client.New(client.Options{
		URLs:  []string{"http://127.0.0.1:8080", "http://127.0.0.1:8081"},
		Token: client.Token("…"),
		OnEvent: func(ctx context.Context, e client.Event) error {
			if m, ok := client.MessageOf(e); ok && e.Sender != c.User() {
				fmt.Printf("%s: %s\n", e.Sender, client.TextOf(m.Content))
				_, err := c.Send(ctx, client.Post{ConversationID: e.ConversationID, Content: client.Text("Thanks!")})
				return err
			}
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(c.Run(ctx))
}
