// Generated from openapi.yaml by "npm run generate". Do not edit.

export interface paths {
    "/v1/conversations": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        /**
         * List the caller's conversations
         * @description The conversation with the newest activity comes first.
         */
        get: operations["listConversations"];
        put?: never;
        /**
         * Create a conversation
         * @description Creates a group, or the direct conversation with one other user. Two users have at most one direct conversation;
         *     creating it again returns the existing one. The creator of a group is its owner. All members get the event live.
         */
        post: operations["createConversation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations/{conversation_id}": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
            };
            cookie?: never;
        };
        /**
         * Get a conversation
         * @description The conversation as the caller sees it at its `head_seq`. A caller who is not a member gets an `OpenGroup` if it is
         *     a group whose `joining` is `open`, and otherwise `not_found`.
         */
        get: operations["getConversation"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /**
         * Change a conversation
         * @description For owners and admins of a group. `settings` changes only the given keys, `metadata` is replaced as a whole. Null
         *     clears `title`, `avatar_url` and `metadata`.
         */
        patch: operations["updateConversation"];
        trace?: never;
    };
    "/v1/conversations/{conversation_id}/members": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
            };
            cookie?: never;
        };
        /** List the members */
        get: operations["listMembers"];
        put?: never;
        /**
         * Add several members
         * @description For owners and admins of a group. Users who are members already are not changed.
         */
        post: operations["addMembers"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations/{conversation_id}/members/{user_id}": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
                /** @example bob */
                user_id: components["parameters"]["UserID"];
            };
            cookie?: never;
        };
        get?: never;
        /**
         * Add a member, or change a role
         * @description Owners and admins add members; owners change roles. Giving a member the role `owner` transfers the ownership: the
         *     former owner becomes an admin, which makes a second event. In a group whose `joining` is `open`, every user who
         *     knows its id may add themselves as a `member`.
         */
        put: operations["putMember"];
        post?: never;
        /**
         * Remove a member, or leave
         * @description Every member may leave. Owners and admins remove members; owners remove admins. When an owner leaves, the admin who
         *     has served longest becomes the owner, or without admins the member who joined first. The event of the removal is
         *     the last one that the removed user gets.
         */
        delete: operations["removeMember"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations/{conversation_id}/bans": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
            };
            cookie?: never;
        };
        /**
         * List the banned users
         * @description For owners and admins. Bans that have ended by themselves are not listed.
         */
        get: operations["listBans"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations/{conversation_id}/bans/{user_id}": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
                /** @example bob */
                user_id: components["parameters"]["UserID"];
            };
            cookie?: never;
        };
        get?: never;
        /**
         * Ban a user
         * @description For owners and admins of a group, by the rule of removing: admins ban members, owners ban admins too; an owner cannot be
         *     banned. A member is removed first, by an event of its own; the answer is the event of the ban. A banned user can neither
         *     join nor be added (`forbidden`). A user who is not a member can be banned ahead. Banning again changes `until` and
         *     `reason`. A group has at most `bans` (1,000 unless configured) bans (`limit_exceeded`); one that has ended makes room.
         */
        put: operations["banMember"];
        post?: never;
        /**
         * Lift a ban
         * @description For owners and admins. The user may join and be added again.
         */
        delete: operations["unbanMember"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations/{conversation_id}/mutes": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
            };
            cookie?: never;
        };
        /**
         * List the muted users
         * @description For owners and admins. Mutes that have ended by themselves are not listed.
         */
        get: operations["listMutes"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations/{conversation_id}/mutes/{user_id}": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
                /** @example bob */
                user_id: components["parameters"]["UserID"];
            };
            cookie?: never;
        };
        get?: never;
        /**
         * Mute a user
         * @description For owners and admins of a group, by the rule of removing. A muted user cannot post, edit or react: `forbidden`, with
         *     `retry_after_ms` if the mute has an end. A mute stays when the user leaves and joins again. An owner cannot be muted.
         *     A group has at most `mutes` (1,000 unless configured) mutes (`limit_exceeded`); one that has ended makes room.
         */
        put: operations["muteMember"];
        post?: never;
        /**
         * Lift a mute
         * @description For the same users as muting.
         */
        delete: operations["unmuteMember"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/messages": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send a message to a user
         * @description Posts to the direct conversation with `to`. Creates that conversation if it does not exist.
         */
        post: operations["sendToUser"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations/{conversation_id}/messages": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
            };
            cookie?: never;
        };
        /**
         * List messages
         * @description Messages as they are at `head_seq`, in ascending order. At most one position may be given: `after_seq`,
         *     `before_seq`, `around_seq`, `around_at` or `seq`; without a position the page has the newest messages. With
         *     `as_of_seq` or `as_of` the page has the messages as they were then, and `head_seq` is the head of then (0 before
         *     the conversation began). Recalling a message erases it from its past too: it is `recalled` at every earlier time.
         */
        get: operations["listMessages"];
        put?: never;
        /**
         * Send a message
         * @description The answer comes after the message is durable. The same `client_msg_id` of the same sender means the same message:
         *     the answer is then 200 with the first event, or `idempotency_conflict` if the content is different.
         *
         *     An app may decide about the messages of its users. It rejects one with `rejected`, whose `detail` is its reason, or
         *     replaces the content: the event in the answer has the new one. A repetition has the content as it was sent first.
         */
        post: operations["sendMessage"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations/{conversation_id}/messages/{seq}": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
                /**
                 * @description The seq of the message.
                 * @example 42
                 */
                seq: components["parameters"]["MessageSeq"];
            };
            cookie?: never;
        };
        /** Get a message */
        get: operations["getMessage"];
        put?: never;
        post?: never;
        /**
         * Recall a message
         * @description Removes a message for everyone. Authors recall their own messages; owners and admins of a group recall those of
         *     others too. Content, mentions and metadata are erased from the log and from everything derived from it. `reply_to`,
         *     reactions and a pin stay. Recalling a message again changes nothing (204).
         */
        delete: operations["recallMessage"];
        options?: never;
        head?: never;
        /**
         * Edit a message
         * @description For the author only. `content` is replaced as a whole. Without `mentions` the message keeps its mentions; an empty
         *     list removes them; given mentions are checked as for a new message. An edit to the same JSON values changes nothing
         *     (204). A recalled message cannot be edited (`conflict`). An app may reject an edit (`rejected`) or replace its content,
         *     as that of a message.
         */
        patch: operations["editMessage"];
        trace?: never;
    };
    "/v1/conversations/{conversation_id}/messages/{seq}/trace": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
                /**
                 * @description The seq of the message.
                 * @example 42
                 */
                seq: components["parameters"]["MessageSeq"];
            };
            cookie?: never;
        };
        /**
         * Trace the delivery of a message
         * @description For backends that act as themselves: whether a message was committed, to which nodes it goes, and which of the
         *     current members have it. This is best effort and shows the current state: the server does not record what it wrote
         *     to which socket. `committed.node` is known for about six hours. `routed` and `sessions` are null while the live
         *     sessions are unknown. A session's `pushed` is true once its device has acknowledged the message, and null before.
         *     Positions of devices are written about a second late.
         */
        get: operations["traceMessage"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations/{conversation_id}/messages/{seq}/reactions": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
                /**
                 * @description The seq of the message.
                 * @example 42
                 */
                seq: components["parameters"]["MessageSeq"];
            };
            cookie?: never;
        };
        /**
         * List the reactions
         * @description Ordered by emoji and user. The message itself has the counts.
         */
        get: operations["listReactions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations/{conversation_id}/messages/{seq}/reactions/{emoji}": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
                /**
                 * @description The seq of the message.
                 * @example 42
                 */
                seq: components["parameters"]["MessageSeq"];
                /**
                 * @description Any text of 1 to `emoji_bytes` (64 unless configured) bytes of UTF-8 without control characters,
                 *     percent-encoded. U+FE0F, which only asks for the emoji form of a character, is dropped before the bytes
                 *     are counted: 👍 with and without it, and ❤ and ❤️, are one reaction, which either form adds and removes. Events and
                 *     lists have the emoji without U+FE0F. To show it, add U+FE0F again where Unicode's fully-qualified form has it;
                 *     `EmojiForm` of the Go client and `emojiForm` of the JavaScript client do that.
                 * @example 👍
                 */
                emoji: string;
            };
            cookie?: never;
        };
        get?: never;
        /**
         * Add a reaction
         * @description For every member. Adding the same reaction again changes nothing (204). A recalled message takes no reactions
         *     (`conflict`). A message has at most `message_emojis` (100 unless configured) different emojis (`limit_exceeded`).
         */
        put: operations["react"];
        post?: never;
        /** Remove the caller's reaction */
        delete: operations["unreact"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations/{conversation_id}/messages/{seq}/pin": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
                /**
                 * @description The seq of the message.
                 * @example 42
                 */
                seq: components["parameters"]["MessageSeq"];
            };
            cookie?: never;
        };
        get?: never;
        /**
         * Pin a message
         * @description For owners and admins of a group, and for both users of a direct conversation. A conversation has at most `pins`
         *     (100 unless configured) pinned messages (`limit_exceeded`). A recalled message cannot be pinned (`conflict`).
         */
        put: operations["pinMessage"];
        post?: never;
        /**
         * Unpin a message
         * @description For the same users as pinning.
         */
        delete: operations["unpinMessage"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations/{conversation_id}/pins": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
            };
            cookie?: never;
        };
        /**
         * List the pinned messages
         * @description Messages as they are now, the one that was pinned last first. A page ends early at about 1 MiB.
         */
        get: operations["listPins"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations/{conversation_id}/messages/{seq}/reports": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
                /**
                 * @description The seq of the message.
                 * @example 42
                 */
                seq: components["parameters"]["MessageSeq"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Report a message
         * @description For every member who may read the message. The app's backend gets the report, with the message as it stands now; members
         *     do not. A second report of the same message by the same user changes nothing. A recalled message has nothing to keep
         *     (`conflict`).
         */
        post: operations["reportMessage"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/search/messages": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        /**
         * Search messages
         * @description Searches the current text, caption and file name of messages in the caller's conversations. The most relevant
         *     message comes first; of equally relevant ones the newest. A message is found within 2 s of its commit, or later
         *     while more is posted than the index can process. Edited and recalled messages are found by their current content.
         *
         *     All words of `q` must occur in one of the fields, in any order. The last word may be the beginning of a word. Words
         *     in double quotes, or written without a space, must be adjacent. Upper and lower case, accents, full-width forms and
         *     invisible characters make no difference. A sign counts at the beginning or end of a word: `#tag`, `@name`, `C++`.
         *     Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese need no spaces: every part of the text is found, even one
         *     character. A `q` without a letter, digit or emoji is `invalid`. `docs/search.md` has a table of examples.
         *
         *     The newest 10,000 matching messages are ranked. A page ends early at about 1 MiB.
         */
        get: operations["searchMessages"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations/{conversation_id}/events": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
            };
            cookie?: never;
        };
        /**
         * Read the log
         * @description Events in ascending order, without gaps. At most one of `after_seq` and `before_seq` may be given; without them the
         *     page has the newest events. A page ends early at about 1 MiB. Events below `floor_seq` cannot be read: the page
         *     starts at the floor. A page above the head is empty.
         */
        get: operations["listEvents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations/{conversation_id}/read": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
            };
            cookie?: never;
        };
        get?: never;
        /**
         * Set the read position
         * @description The user has read everything up to `seq`. The position never goes back. A seq above the head means the head. All
         *     sessions of the user get the new state.
         */
        put: operations["markRead"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations/{conversation_id}/ack": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
            };
            cookie?: never;
        };
        get?: never;
        /**
         * Acknowledge up to a seq
         * @description The device has stored everything up to `seq`. Acknowledgements are cumulative and written a little later. The
         *     position never goes back. A seq above the head means the head.
         */
        put: operations["acknowledge"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sync": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        /**
         * Sync
         * @description Without a cursor the sync returns all conversations; conversations that it does not contain no longer exist for the
         *     user. With a cursor it returns what has changed since. The `cursor` of a page continues that sync. The `cursor` of
         *     the page that is `done` starts the next sync, which includes changes made between the pages. After `cursor_invalid`
         *     (410), sync without a cursor.
         */
        get: operations["sync"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/healthz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Check that the process is alive */
        get: operations["getHealth"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Check that the node should get traffic */
        get: operations["getReadiness"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/openapi.yaml": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get this description */
        get: operations["getDescription"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/asyncapi.yaml": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get the description of the WebSocket */
        get: operations["getSocketDescription"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/dev/token": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Get a token in development
         * @description Only in `im dev`; `im serve` answers 404. Issues a token for any user, for a week. Only programs on the same machine
         *     may call, and pages from there or from an origin in `IM_ALLOWED_ORIGINS`.
         */
        post: operations["getDevToken"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/users": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        /**
         * Get profiles of users
         * @description Returns the profiles of the caller and of users who share a conversation with the caller; a backend gets all. Other
         *     users, and users without a profile, are left out.
         */
        get: operations["getUsers"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/users/{user_id}": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example bob */
                user_id: components["parameters"]["UserID"];
            };
            cookie?: never;
        };
        get?: never;
        /**
         * Set a user's profile
         * @description For backends only. Replaces the whole profile: fields that are not given are cleared. A token that is issued later
         *     and has other claims `name` and `picture` than the user's token before it replaces name and avatar again.
         */
        put: operations["putUser"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations/{conversation_id}/preferences": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
            };
            cookie?: never;
        };
        /** Get the caller's preferences of a conversation */
        get: operations["getPreferences"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /**
         * Change the caller's preferences of a conversation
         * @description Only the given fields change. An archived conversation comes back (`archived` becomes false) with the next message.
         *     After a change all sessions of the user get a frame `conversation`.
         */
        patch: operations["updatePreferences"];
        trace?: never;
    };
    "/v1/sessions": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        /**
         * List the caller's live sessions
         * @description Sessions on all nodes, the oldest first. Sessions of a killed node are listed until its lease ends (10 s).
         */
        get: operations["listSessions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sessions/{session_id}": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example RXHBUW5YQJXJBG4AZ3IYJTUZ7E */
                session_id: string;
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * End one of the caller's sessions
         * @description Closes its socket with 4401, on whichever node it is. This takes milliseconds, or up to 2 s without RabbitMQ. The device gets
         *     no more push notifications.
         */
        delete: operations["endSession"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/users/{user_id}/sessions": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example bob */
                user_id: components["parameters"]["UserID"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * End all sessions of a user
         * @description For backends only. Closes all sockets of the user with 4401, on all nodes. With `revoke=true`, tokens issued before
         *     the call are refused as well: for new sessions from the answer on, for calls at most a second later. A token has
         *     its time of issue (`iat`) in whole seconds; a token without it counts as issued before. The answer comes when the
         *     next second has begun, so that every token issued after the answer is valid.
         */
        delete: operations["endSessions"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/users/{user_id}/ban": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example bob */
                user_id: components["parameters"]["UserID"];
            };
            cookie?: never;
        };
        get?: never;
        /**
         * Ban a user from the app
         * @description For backends only. Closes all sockets of the user with 4404, on all nodes, and refuses every token of the user until the
         *     ban ends: calls with `forbidden` and `retry_after_ms`, at most a second later, new sessions with 4404 from the answer on.
         *     Server tokens are not refused. Tokens issued before the ban stay revoked when it is over. Banning again changes `until`.
         */
        put: operations["banUser"];
        post?: never;
        /**
         * Lift a ban from the app
         * @description For backends only. The user needs a new token.
         */
        delete: operations["unbanUser"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/reports": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        /**
         * List the reports of messages
         * @description For backends only. The oldest first. Reports are deleted after `IM_REPORT_RETENTION` (90 days unless configured). A page
         *     ends early at about 1 MiB.
         */
        get: operations["listReports"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/reports/{report_id}": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e5f */
                report_id: components["parameters"]["ReportID"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /**
         * Change the state of a report
         * @description For backends only.
         */
        patch: operations["decideReport"];
        trace?: never;
    };
    "/v1/webhooks": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        /**
         * List the webhooks
         * @description For backends only. The oldest first, without their secrets.
         */
        get: operations["listWebhooks"];
        put?: never;
        /**
         * Create a webhook
         * @description For backends only. The events are sent to the URL as signed calls of Standard Webhooks: at least once, and in order within
         *     each conversation. `message.notify` names the members who lack a message some seconds after its commit (`IM_PUSH_DELAY`),
         *     and `report.created` brings each report of a message. An address that is not public is refused with `invalid`, unless it is in `IM_WEBHOOK_ALLOW`. There are at
         *     most 100 webhooks (`limit_exceeded`).
         */
        post: operations["createWebhook"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/webhooks/{webhook_id}": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e60 */
                webhook_id: components["parameters"]["WebhookID"];
            };
            cookie?: never;
        };
        /**
         * Get a webhook
         * @description For backends only.
         */
        get: operations["getWebhook"];
        put?: never;
        post?: never;
        /**
         * Delete a webhook
         * @description For backends only. What it was owed is not sent.
         */
        delete: operations["deleteWebhook"];
        options?: never;
        head?: never;
        /**
         * Change a webhook
         * @description For backends only. A change applies within a second to what has not been sent. A webhook that is disabled is still owed
         *     the events; when it is enabled again, all of them are sent.
         */
        patch: operations["updateWebhook"];
        trace?: never;
    };
    "/v1/webhooks/{webhook_id}/rotate": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e60 */
                webhook_id: components["parameters"]["WebhookID"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Give a webhook a new secret
         * @description For backends only. For 24 hours calls have two signatures, by the new secret and by the former one.
         */
        post: operations["rotateWebhook"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/webhooks/{webhook_id}/test": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e60 */
                webhook_id: components["parameters"]["WebhookID"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Make a test call
         * @description For backends only. Makes one call of the type `webhook.test`, and answers with its result. A disabled webhook is called, too.
         */
        post: operations["testWebhook"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/webhooks/{webhook_id}/replay": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e60 */
                webhook_id: components["parameters"]["WebhookID"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send events again
         * @description For backends only. Sends the events since a time again, or those of one conversation after a seq. The body has either
         *     `since`, or `conversation_id` and `after_seq`. A `message.notify` comes again, too, unless its message is older than ten
         *     minutes. Reports do not come again.
         */
        post: operations["replayWebhook"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/webhooks/{webhook_id}/deliveries": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e60 */
                webhook_id: components["parameters"]["WebhookID"];
            };
            cookie?: never;
        };
        /**
         * List what a webhook has not taken
         * @description For backends only. A waiting delivery stands for all later ones of its type and conversation, too. Failed ones have been given up
         *     after the last attempt, and are kept for 30 days; `replay` sends them again.
         */
        get: operations["listDeliveries"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/feed": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        /**
         * Read the events of all conversations
         * @description For backends only. Without a cursor it begins with the first event of all. The seqs of each conversation ascend, and none is
         *     left out; an event may come again. A cursor stays valid until a new epoch begins (`cursor_invalid`). A page ends early
         *     at about 1 MiB.
         */
        get: operations["getFeed"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/blocks": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        /** List the users that the caller has blocked */
        get: operations["listBlocks"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/blocks/{user_id}": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example bob */
                user_id: components["parameters"]["UserID"];
            };
            cookie?: never;
        };
        get?: never;
        /**
         * Block a user
         * @description From the answer on, on every node, messages of the user to the direct conversation with the caller are refused with
         *     `blocked`; the user cannot create that conversation either. Groups are not affected, nor are the caller's messages.
         */
        put: operations["block"];
        post?: never;
        /** Unblock a user */
        delete: operations["unblock"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/users/{user_id}/notices": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example bob */
                user_id: components["parameters"]["UserID"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send a notice to a user's live sessions
         * @description Sends a frame `notice` to every live session of the user, on every node: at most once, and never stored. For data
         *     that must not be lost, post a `custom` message. The answer counts the sessions that were live when it was sent.
         */
        post: operations["notifyUser"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/notices": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send a notice to all live sessions
         * @description The same as for one user, for the sessions of all users.
         */
        post: operations["notifyAll"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/stats": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        /**
         * Get statistics of the cluster
         * @description Counted at each call. The time grows with the number of online users and of conversations.
         */
        get: operations["getStats"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/attachments": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Declare a file, and get the permission to upload it
         * @description The answer is a signed upload: send the file with the method and the headers to the URL before it expires. The signature
         *     binds the size, the type and the checksum; the storage refuses anything else. Then name the `attachment_id` in the content
         *     of a message. A file that no message names is deleted after 24 hours. A file is deleted with the last message that names
         *     it, when that is recalled.
         *
         *     Larger than `attachment_bytes` (64 MiB unless configured): `too_large`. More than `attachments_per_day` (1,000 unless
         *     configured) of the caller on a day of UTC: `rate_limited`. A server that stores no files: `unavailable`, `retry: never`.
         */
        post: operations["createAttachment"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/attachments/{attachment_id}": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e60 */
                attachment_id: components["parameters"]["AttachmentID"];
            };
            cookie?: never;
        };
        /**
         * Read a file
         * @description For members who may read a message that names it, and for its owner as long as no message does. The URL is valid for five
         *     minutes, for everyone who has it. Only images, audio and video of safe types are shown by browsers; other files are saved.
         *     `not_found` for everyone else, before the upload is complete, and after the recall of the last message that names it.
         */
        get: operations["getAttachment"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/push": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        /**
         * See by which providers this server pushes
         * @description Pages subscribe to Web Push with `vapid_public_key` as their `applicationServerKey`.
         */
        get: operations["getPush"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/devices/{device_id}/push": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /**
                 * @description The caller's device. A token that is bound to a device is for that one only.
                 * @example phone-1
                 */
                device_id: components["parameters"]["DeviceID"];
            };
            cookie?: never;
        };
        get?: never;
        /**
         * Let a device get push notifications
         * @description What the device has not acknowledged some seconds after the commit (`IM_PUSH_DELAY`) is pushed, whatever its sockets say:
         *     one notification for each conversation, by the user's `preferences`. Call it again whenever the token or the
         *     subscription has changed, and after each login. A token that another device or another user has registered is taken from
         *     it. The registration ends with `DELETE`, when the provider does not know the token any more, when the user ends the
         *     device's session, and with a revocation or a ban.
         *
         *     A provider that is not set up: `unavailable`, `retry: never`. More than 50 devices of a user: `limit_exceeded`.
         */
        put: operations["putPush"];
        post?: never;
        /**
         * Let a device get no more push notifications
         * @description Call it at a logout. Without a registration, it does nothing.
         */
        delete: operations["deletePush"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/devices/{device_id}/push/test": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /**
                 * @description The caller's device. A token that is bound to a device is for that one only.
                 * @example phone-1
                 */
                device_id: components["parameters"]["DeviceID"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send a test notification to a device
         * @description Answers with the provider's own words, taken or not. A token that the provider does not know is removed. `not_found` if
         *     the device is not registered.
         */
        post: operations["testPush"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations/{conversation_id}/receipts": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
            };
            cookie?: never;
        };
        /**
         * List the receipts of the members
         * @description How far each member's messages were delivered, to the device that is furthest ahead, and how far the member has
         *     read. If the conversation's `receipts` are off, only the caller's own receipt is listed; a backend that acts as
         *     itself gets all of them.
         */
        get: operations["listReceipts"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/presence": {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        /**
         * Get the presence of users
         * @description A user is online while at least one of their live sessions, on any node, is not in the background. Users who share
         *     no conversation with the caller, and users who do not exist, are reported as offline. The socket's `watch` pushes
         *     changes as well.
         */
        get: operations["getPresence"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /**
         * @description The app's own user id: 1–128 ASCII letters, digits and `. _ : @ - + =` and the vertical bar, not `.` or `..`.
         * @example alice
         */
        UserID: string;
        /**
         * @description Chosen by the client and kept with its local store; 1–64 characters of the alphabet of user ids.
         * @example phone-1
         */
        DeviceID: string;
        /**
         * @description A UUID of version 7 in text form.
         * @example 0198c5de-0000-7000-8000-000000000001
         */
        ConversationID: string;
        /**
         * @description Chosen by the sender, for example a UUID. Makes sending idempotent.
         * @example c-1
         */
        ClientMsgID: string;
        /**
         * @description Members that the message mentions. `*` mentions everyone; only owners and admins of groups may use it.
         * @example [
         *       "bob"
         *     ]
         */
        Mentions: string[];
        /**
         * Format: date-time
         * @description UTC, with six fractional digits.
         * @example 2026-01-02T03:04:05.678901Z
         */
        Time: string;
        PutPush: {
            /** @enum {string} */
            provider: "fcm" | "apns" | "webpush";
            /** @description Of `fcm`: the registration token, at most 4,096 characters. Of `apns`: the device token in hexadecimal digits. */
            token?: string;
            subscription?: components["schemas"]["PushSubscription"];
            /**
             * @description What notifications show; `full` by default. With `none`, neither text nor names leave the server.
             * @enum {string}
             */
            preview?: "full" | "sender" | "none";
            /**
             * @description The language of the words that the server adds, such as "New message". English by default.
             * @example pt-BR
             */
            locale?: string;
        };
        /** @description Of `webpush`; as `PushSubscription.toJSON()` of browsers gives it. Other members are refused. */
        PushSubscription: {
            /** @description A public address that begins with https://. */
            endpoint: string;
            /** @description Is not used. */
            expirationTime?: number | null;
            keys: {
                /** @description A point of P-256 in the uncompressed form, in base64url. */
                p256dh: string;
                /** @description 16 bytes in base64url. */
                auth: string;
            };
        };
        /**
         * @example {
         *       "provider": "fcm",
         *       "taken": true,
         *       "status": 200,
         *       "answer": "{\"name\":\"projects/app/messages/1\"}",
         *       "removed": false,
         *       "duration_ms": 83
         *     }
         */
        PushTest: {
            /** @enum {string} */
            provider: "fcm" | "apns" | "webpush";
            taken: boolean;
            /** @description Of HTTP; missing if there was no answer. */
            status?: number;
            /** @description The body of the answer */
            answer?: string;
            error?: string;
            /** @description The provider does not know the device any more; its registration was removed. */
            removed: boolean;
            duration_ms: number;
        };
        /**
         * @example {
         *       "providers": [
         *         "fcm",
         *         "webpush"
         *       ],
         *       "vapid_public_key": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
         *     }
         */
        PushInfo: {
            providers: ("fcm" | "apns" | "webpush")[];
            /** @description In base64url; if `webpush` is set up. */
            vapid_public_key?: string;
        };
        CreateAttachment: {
            /** @description The name of the file, to show and to save it by. */
            name: string;
            /**
             * Format: int64
             * @description Bytes, at most `attachment_bytes`.
             */
            size: number;
            /**
             * @description The media type, in lower case and without parameters.
             * @example image/png
             */
            mime: string;
            /** @description The SHA-256 checksum, in hexadecimal digits. With it, the storage refuses other bytes. */
            sha256?: string;
        };
        AttachmentUpload: {
            /** Format: uuid */
            attachment_id: string;
            /** Format: uri-reference */
            upload_url: string;
            /** @example PUT */
            method: string;
            /** @description Send all of them. The length of the body is the declared size. */
            headers: {
                [key: string]: string;
            };
            expires_at: components["schemas"]["Time"];
        };
        AttachmentLink: {
            /** Format: uuid */
            attachment_id: string;
            /** Format: uri-reference */
            url: string;
            expires_at: components["schemas"]["Time"];
            name: string;
            mime: string;
            /** Format: int64 */
            size: number;
        };
        /**
         * @description The content of a message: at most `content_bytes` (32768 unless configured) bytes of JSON. The fields depend on `type`:
         *
         *     | type | fields |
         *     |---|---|
         *     | `text` | `text` |
         *     | `image`, `file`, `audio`, `video` | `url` or `attachment_id`, `text?` (a caption), `name?`, `size?`, `mime?`, `width?`, `height?`, `duration_ms?`, `preview?` |
         *     | `custom` | `biz_type` (the app's kind of message), `data` |
         *
         *     `attachment_id` names a file of the sender that is uploaded, and that no message of another conversation names; else
         *     `invalid`. `size` and `mime`, if given, must be those of the file.
         * @example {
         *       "type": "text",
         *       "text": "Hello"
         *     }
         */
        Content: {
            /** @enum {string} */
            type: "text" | "image" | "file" | "audio" | "video" | "custom";
            /** @description Plain text, or the caption. */
            text?: string;
            url?: string;
            attachment_id?: string;
            name?: string;
            /** Format: int64 */
            size?: number;
            mime?: string;
            /** Format: int64 */
            width?: number;
            /** Format: int64 */
            height?: number;
            /** Format: int64 */
            duration_ms?: number;
            preview?: string;
            biz_type?: string;
            /** @description Any JSON. */
            data?: unknown;
        };
        /**
         * @description An object of the app, at most `metadata_bytes` (4096 unless configured) bytes of JSON.
         * @example {
         *       "ticket": 7
         *     }
         */
        Metadata: Record<string, never>;
        /**
         * @description An object of the app, at most `metadata_bytes` (4096 unless configured) bytes of JSON; null for none.
         * @example {
         *       "ticket": 7
         *     }
         */
        MetadataOrNull: Record<string, never> | null;
        /** @description The settings to change; see `Settings`. */
        SettingsPatch: {
            /** @enum {string} */
            posting?: "everyone" | "admins" | "nobody";
            /** @enum {string} */
            joining?: "invite" | "open";
            /** @enum {string} */
            history?: "all" | "since_join";
            receipts?: boolean;
            slow_mode_s?: number;
        };
        CreateConversation: {
            /** @enum {string} */
            kind: "direct" | "group";
            /**
             * @description The others: exactly one in a direct conversation, at most `members_per_call` (500 unless configured) in a
             *     group.
             */
            members: components["schemas"]["UserID"][];
            /** @description Groups only; at most `title_chars` (200 unless configured) characters. */
            title?: string | null;
            /** @description Groups only. */
            avatar_url?: string | null;
            settings?: components["schemas"]["SettingsPatch"];
            metadata?: components["schemas"]["MetadataOrNull"];
            /** @description Makes creating idempotent for each creator. The same id with other fields is an `idempotency_conflict`. */
            client_conversation_id?: string;
        };
        UpdateConversation: {
            title?: string | null;
            avatar_url?: string | null;
            settings?: components["schemas"]["SettingsPatch"];
            metadata?: components["schemas"]["MetadataOrNull"];
        };
        AddMembers: {
            /** @description At most `members_per_call` (500 unless configured). */
            user_ids: components["schemas"]["UserID"][];
            /**
             * @description The default is `member`.
             * @enum {string}
             */
            role?: "member" | "admin";
        };
        PutMember: {
            /** @enum {string} */
            role: "owner" | "admin" | "member";
        };
        Ban: {
            /**
             * Format: date-time
             * @description When the ban ends; missing or null: when it is lifted.
             */
            until?: string | null;
            /** @description At most `reason_chars` (200 unless configured) characters. */
            reason?: string;
        };
        Mute: {
            /**
             * Format: date-time
             * @description When the mute ends; missing or null: when it is lifted.
             */
            until?: string | null;
        };
        NewReport: {
            /** @enum {string} */
            category: "spam" | "abuse" | "sexual" | "violence" | "illegal" | "other";
            /** @description At most `report_chars` (1,000 unless configured) characters. */
            text?: string;
        };
        DecideReport: {
            /** @enum {string} */
            state: "open" | "accepted" | "dismissed";
        };
        /** @enum {string} */
        WebhookType: "conversation.created" | "conversation.updated" | "member.added" | "member.removed" | "member.role_changed" | "member.banned" | "member.unbanned" | "member.muted" | "member.unmuted" | "message.posted" | "message.edited" | "message.recalled" | "reaction.added" | "reaction.removed" | "message.pinned" | "message.unpinned" | "message.notify" | "report.created";
        /**
         * @description Who is named in a `message.notify`, which must be one of the types of a new webhook. `all`, the default: users of whom some device has not acknowledged the message, or who have no
         *     device. `offline`: users of whom no device has acknowledged it.
         * @enum {string}
         */
        WebhookRecipients: "all" | "offline";
        CreateWebhook: {
            /**
             * @description At most 2048 characters, without a user, a password or a fragment.
             * @example https://app.example.com/im-events
             */
            url: string;
            /**
             * @description The types that are sent; by default all events. `message.notify` and `report.created` are no events.
             * @example [
             *       "message.posted"
             *     ]
             */
            types?: components["schemas"]["WebhookType"][];
            /**
             * @description The conversations whose events are sent, at most 1000; by default all.
             * @example [
             *       "0198c5de-0000-7000-8000-000000000001"
             *     ]
             */
            conversation_ids?: components["schemas"]["ConversationID"][];
            recipients?: components["schemas"]["WebhookRecipients"];
            /**
             * @description The first events that are sent. `now`, which is the default, `beginning`, or a time.
             * @example beginning
             */
            from?: string;
            description?: string;
            /**
             * @description 24 to 64 bytes in base64, after `whsec_`. By default a secret is made.
             * @example whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
             */
            secret?: string;
        };
        UpdateWebhook: {
            /** @example https://app.example.com/im-events */
            url?: string;
            /**
             * @description Null for all events.
             * @example [
             *       "message.posted"
             *     ]
             */
            types?: components["schemas"]["WebhookType"][] | null;
            /**
             * @description Null for all.
             * @example [
             *       "0198c5de-0000-7000-8000-000000000001"
             *     ]
             */
            conversation_ids?: components["schemas"]["ConversationID"][] | null;
            recipients?: components["schemas"]["WebhookRecipients"];
            description?: string | null;
            /** @enum {string} */
            state?: "enabled" | "disabled";
        };
        ReplayWebhook: {
            since?: components["schemas"]["Time"];
            conversation_id?: components["schemas"]["ConversationID"];
            /** Format: int64 */
            after_seq?: number;
        };
        SendMessage: {
            client_msg_id: components["schemas"]["ClientMsgID"];
            content: components["schemas"]["Content"];
            /**
             * Format: int64
             * @description The seq of a message of the conversation.
             */
            reply_to?: number;
            mentions?: components["schemas"]["Mentions"];
            metadata?: components["schemas"]["Metadata"];
        };
        SendToUser: {
            to: components["schemas"]["UserID"];
            client_msg_id: components["schemas"]["ClientMsgID"];
            content: components["schemas"]["Content"];
            /**
             * Format: int64
             * @description The seq of a message of the conversation.
             */
            reply_to?: number;
            mentions?: components["schemas"]["Mentions"];
            metadata?: components["schemas"]["Metadata"];
        };
        EditMessage: {
            content: components["schemas"]["Content"];
            mentions?: components["schemas"]["Mentions"];
        };
        MarkRead: {
            /** Format: int64 */
            seq: number;
        };
        Acknowledge: {
            device_id: components["schemas"]["DeviceID"];
            /** Format: int64 */
            seq: number;
        };
        Settings: {
            /**
             * @description `admins`: an announcement channel. `nobody`: frozen; no one posts, edits or reacts.
             * @enum {string}
             */
            posting: "everyone" | "admins" | "nobody";
            /**
             * @description `open`: every user who knows the id may join.
             * @enum {string}
             */
            joining: "invite" | "open";
            /**
             * @description What members may read: everything, or events since they joined. It is checked at the time of reading.
             * @enum {string}
             */
            history: "all" | "since_join";
            /** @description Whether members see how far the others have received and read. */
            receipts: boolean;
            /**
             * @description Slow mode: how many seconds the messages of a member are apart at least (`rate_limited`, with `retry_after_ms`).
             *     Owners and admins are exempt. Missing: 0, which is off.
             */
            slow_mode_s?: number;
        };
        /** @description The user's own preferences of the conversation. */
        Preferences: {
            /** @enum {string} */
            notify: "all" | "mentions" | "none";
            pinned: boolean;
            archived: boolean;
        };
        /** @enum {string} */
        Role: "owner" | "admin" | "member";
        /** @description One durable change of a conversation. It has the same form everywhere. */
        Event: {
            conversation_id: components["schemas"]["ConversationID"];
            /**
             * Format: int64
             * @description 1, 2, 3 … without gaps.
             */
            seq: number;
            /**
             * @description `conversation.created`, `conversation.updated`, `member.added`, `member.removed`, `member.role_changed`,
             *     `member.banned`, `member.unbanned`, `member.muted`, `member.unmuted`, `message.posted`, `message.edited`, `message.recalled`, `reaction.added`, `reaction.removed`,
             *     `message.pinned`, `message.unpinned`. More types may be added: an event of an unknown type still has its seq.
             */
            type: string;
            sender: components["schemas"]["UserID"];
            client_msg_id?: components["schemas"]["ClientMsgID"];
            at: components["schemas"]["Time"];
            /** @description Depends on `type`. */
            body: components["schemas"]["PostedBody"] | components["schemas"]["MemberBody"] | components["schemas"]["CreatedBody"] | components["schemas"]["UpdatedBody"] | components["schemas"]["EditedBody"] | components["schemas"]["RecalledBody"] | components["schemas"]["ReactionBody"] | components["schemas"]["PinBody"] | components["schemas"]["SanctionBody"];
        };
        /** @description The body of `message.posted`. `content` is null after the message was recalled. */
        PostedBody: {
            content: components["schemas"]["Content"] | null;
            /** Format: int64 */
            reply_to?: number;
            mentions?: components["schemas"]["Mentions"];
            metadata?: components["schemas"]["Metadata"];
        };
        /**
         * @description The body of `message.edited`: the message after the edit, with the mentions that it kept. `content` is null after the
         *     message was recalled. `content` and `mentions` are missing if the message is below the reader's `floor_seq`.
         */
        EditedBody: {
            /** Format: int64 */
            target_seq: number;
            content?: components["schemas"]["Content"] | null;
            mentions?: components["schemas"]["Mentions"];
        };
        /** @description The body of `message.recalled`. */
        RecalledBody: {
            /** Format: int64 */
            target_seq: number;
            reason?: string;
        };
        /** @description The body of `reaction.added` and `reaction.removed`. */
        ReactionBody: {
            /** Format: int64 */
            target_seq: number;
            /** @description Without U+FE0F; events of earlier versions may hold it. */
            emoji: string;
        };
        /** @description The body of `message.pinned` and `message.unpinned`. */
        PinBody: {
            /** Format: int64 */
            target_seq: number;
        };
        /** @description The body of `member.added`, `member.removed` and `member.role_changed`. */
        MemberBody: {
            user_id: components["schemas"]["UserID"];
            role: components["schemas"]["Role"];
        };
        /** @description The body of `member.banned`, `member.unbanned`, `member.muted` and `member.unmuted`. */
        SanctionBody: {
            user_id: components["schemas"]["UserID"];
            until?: components["schemas"]["Time"];
            /** @description Of a ban. */
            reason?: string;
        };
        /** @description A ban or a mute. */
        Sanction: {
            user_id: components["schemas"]["UserID"];
            until?: components["schemas"]["Time"];
            /** @description Of a ban. */
            reason?: string;
            by: components["schemas"]["UserID"];
            at: components["schemas"]["Time"];
        };
        SanctionList: {
            items: components["schemas"]["Sanction"][];
            next_cursor: string | null;
        };
        /** @description A report of a message, with the message as it stood when it was reported. */
        Report: {
            /** Format: uuid */
            report_id: string;
            conversation_id: components["schemas"]["ConversationID"];
            /**
             * Format: int64
             * @description Of the message.
             */
            seq: number;
            reporter: components["schemas"]["UserID"];
            /** @enum {string} */
            category: "spam" | "abuse" | "sexual" | "violence" | "illegal" | "other";
            text?: string;
            /** @enum {string} */
            state: "open" | "accepted" | "dismissed";
            created_at: components["schemas"]["Time"];
            updated_at: components["schemas"]["Time"];
            sender: components["schemas"]["UserID"];
            posted_at: components["schemas"]["Time"];
            content: components["schemas"]["Content"];
        };
        ReportList: {
            items: components["schemas"]["Report"][];
            next_cursor: string | null;
        };
        Webhook: {
            /** Format: uuid */
            webhook_id: string;
            url: string;
            /** @description Missing for all events. */
            types?: string[];
            /** @description Missing for all. */
            conversation_ids?: components["schemas"]["ConversationID"][];
            recipients?: components["schemas"]["WebhookRecipients"];
            description?: string;
            /** @enum {string} */
            state: "enabled" | "disabled";
            /** @description Why the webhook has disabled itself: the endpoint answered 410. */
            disabled_reason?: string;
            created_at: components["schemas"]["Time"];
            /** @description Only in the answers of the creation and of a rotation. */
            secret?: string;
        };
        WebhookList: {
            items: components["schemas"]["Webhook"][];
            next_cursor: string | null;
        };
        WebhookTest: {
            /** @description The endpoint answered 2xx within 15 s. */
            taken: boolean;
            /** @description Of HTTP; missing without an answer. */
            status?: number;
            duration_ms: number;
            error?: string;
        };
        Delivery: {
            /**
             * @description Missing for an event.
             * @enum {string}
             */
            type?: "message.notify" | "report.created";
            /**
             * Format: uuid
             * @description Of a `report.created`; `conversation_id` and `seq` are those of the message.
             */
            report_id?: string;
            conversation_id: components["schemas"]["ConversationID"];
            /**
             * Format: int64
             * @description 0 for a report that has been deleted since.
             */
            seq: number;
            /** @enum {string} */
            state: "waiting" | "failed";
            /** @description That have failed. */
            attempts: number;
            /** @description Of HTTP in the last attempt; missing without an answer. */
            status?: number;
            /** @description Of the last attempt. */
            duration_ms?: number;
            /** @description Of the last attempt. */
            error?: string;
            attempted_at?: components["schemas"]["Time"];
            next_attempt_at?: components["schemas"]["Time"];
        };
        DeliveryList: {
            items: components["schemas"]["Delivery"][];
            next_cursor: string | null;
        };
        EventFeed: {
            events: components["schemas"]["Event"][];
            /** @description For the next page; always there. */
            cursor: string;
            /** @description More events are there already. */
            has_more: boolean;
        };
        /** @description The body of `conversation.created`. */
        CreatedBody: {
            /** @enum {string} */
            kind: "direct" | "group";
            title: string | null;
            avatar_url: string | null;
            settings: components["schemas"]["Settings"];
            metadata: components["schemas"]["MetadataOrNull"];
            members: components["schemas"]["MemberBody"][];
        };
        /** @description The body of `conversation.updated`. It contains the changed fields only. */
        UpdatedBody: {
            title?: string | null;
            avatar_url?: string | null;
            settings?: components["schemas"]["Settings"];
            metadata?: components["schemas"]["MetadataOrNull"];
        };
        /**
         * @example {
         *       "events": [
         *         {
         *           "conversation_id": "0198c5de-0000-7000-8000-000000000001",
         *           "seq": 43,
         *           "type": "member.added",
         *           "sender": "alice",
         *           "at": "2026-01-02T03:04:06.000000Z",
         *           "body": {
         *             "user_id": "dave",
         *             "role": "member"
         *           }
         *         }
         *       ]
         *     }
         */
        EventList: {
            events: components["schemas"]["Event"][];
        };
        /**
         * @description A message as it is now.
         * @example {
         *       "conversation_id": "0198c5de-0000-7000-8000-000000000001",
         *       "seq": 42,
         *       "sender": "alice",
         *       "client_msg_id": "c-1",
         *       "at": "2026-01-02T03:04:05.678901Z",
         *       "content": {
         *         "type": "text",
         *         "text": "Hello"
         *       },
         *       "recalled": false,
         *       "reactions": [],
         *       "pinned": false
         *     }
         */
        Message: {
            conversation_id: components["schemas"]["ConversationID"];
            /** Format: int64 */
            seq: number;
            sender: components["schemas"]["UserID"];
            client_msg_id: components["schemas"]["ClientMsgID"];
            at: components["schemas"]["Time"];
            /** @description Null after the message was recalled. */
            content: components["schemas"]["Content"] | null;
            /** Format: int64 */
            reply_to?: number;
            mentions?: components["schemas"]["Mentions"];
            metadata?: components["schemas"]["Metadata"];
            edited_at?: components["schemas"]["Time"];
            recalled: boolean;
            reactions: {
                emoji: string;
                count: number;
                mine: boolean;
            }[];
            pinned: boolean;
        };
        /** @description A message as it is now, with the user who pinned it and the time. */
        PinnedMessage: {
            conversation_id: components["schemas"]["ConversationID"];
            /** Format: int64 */
            seq: number;
            sender: components["schemas"]["UserID"];
            client_msg_id: components["schemas"]["ClientMsgID"];
            at: components["schemas"]["Time"];
            /** @description Null after the message was recalled. */
            content: components["schemas"]["Content"] | null;
            /** Format: int64 */
            reply_to?: number;
            mentions?: components["schemas"]["Mentions"];
            metadata?: components["schemas"]["Metadata"];
            edited_at?: components["schemas"]["Time"];
            recalled: boolean;
            reactions: {
                emoji: string;
                count: number;
                mine: boolean;
            }[];
            pinned: boolean;
            pinned_by: components["schemas"]["UserID"];
            pinned_at: components["schemas"]["Time"];
        };
        /**
         * @example {
         *       "items": [
         *         {
         *           "user_id": "bob",
         *           "emoji": "👍",
         *           "at": "2026-01-02T03:04:09.000000Z"
         *         }
         *       ],
         *       "next_cursor": null
         *     }
         */
        ReactionList: {
            items: {
                user_id: components["schemas"]["UserID"];
                emoji: string;
                at: components["schemas"]["Time"];
            }[];
            next_cursor: string | null;
        };
        /**
         * @example {
         *       "items": [],
         *       "next_cursor": null
         *     }
         */
        PinList: {
            items: components["schemas"]["PinnedMessage"][];
            next_cursor: string | null;
        };
        /** @description The conversation for a member; the public part of an open group for others. */
        ConversationOrOpenGroup: components["schemas"]["Conversation"] | components["schemas"]["OpenGroup"];
        /**
         * @description What every user who knows the id may see of a group whose `joining` is `open`.
         * @example {
         *       "conversation_id": "0198c5de-0000-7000-8000-000000000001",
         *       "title": "Release",
         *       "avatar_url": null,
         *       "member_count": 3
         *     }
         */
        OpenGroup: {
            conversation_id: components["schemas"]["ConversationID"];
            title: string | null;
            avatar_url: string | null;
            member_count: number;
        };
        /** @description A message as it is now, and where it matches. */
        FoundMessage: {
            conversation_id: components["schemas"]["ConversationID"];
            /** Format: int64 */
            seq: number;
            sender: components["schemas"]["UserID"];
            client_msg_id: components["schemas"]["ClientMsgID"];
            at: components["schemas"]["Time"];
            content: components["schemas"]["Content"];
            /** Format: int64 */
            reply_to?: number;
            mentions?: components["schemas"]["Mentions"];
            metadata?: components["schemas"]["Metadata"];
            edited_at?: components["schemas"]["Time"];
            recalled: boolean;
            reactions: {
                emoji: string;
                count: number;
                mine: boolean;
            }[];
            pinned: boolean;
            /**
             * @description For each field of `content` that matches, a fragment of it around the first match. Plain text: escape it
             *     before it becomes HTML.
             */
            highlights: {
                /** @enum {string} */
                field: "text" | "name";
                fragment: string;
                /** @description The position in the field where the fragment begins. */
                offset: number;
                /**
                 * @description The matching parts of the fragment, in ascending order. All numbers count Unicode code points (in
                 *     JavaScript the elements of `Array.from(fragment)`), not UTF-16 units or bytes.
                 */
                ranges: {
                    start: number;
                    length: number;
                }[];
            }[];
        };
        /**
         * @example {
         *       "items": [
         *         {
         *           "conversation_id": "0198c5de-0000-7000-8000-000000000001",
         *           "seq": 42,
         *           "sender": "alice",
         *           "client_msg_id": "c-1",
         *           "at": "2026-01-02T03:04:05.678901Z",
         *           "content": {
         *             "type": "text",
         *             "text": "See you in 北京 on Friday"
         *           },
         *           "recalled": false,
         *           "reactions": [],
         *           "pinned": false,
         *           "highlights": [
         *             {
         *               "field": "text",
         *               "fragment": "See you in 北京 on Friday",
         *               "offset": 0,
         *               "ranges": [
         *                 {
         *                   "start": 11,
         *                   "length": 2
         *                 }
         *               ]
         *             }
         *           ]
         *         }
         *       ],
         *       "next_cursor": null,
         *       "users": {}
         *     }
         */
        FoundList: {
            items: components["schemas"]["FoundMessage"][];
            next_cursor: string | null;
            users: components["schemas"]["Users"];
        };
        /**
         * @description A conversation as one of its members sees it at its `head_seq`.
         * @example {
         *       "conversation_id": "0198c5de-0000-7000-8000-000000000001",
         *       "kind": "group",
         *       "title": "Release",
         *       "avatar_url": null,
         *       "settings": {
         *         "posting": "everyone",
         *         "joining": "invite",
         *         "history": "all",
         *         "receipts": true
         *       },
         *       "metadata": {
         *         "ticket": 7
         *       },
         *       "created_at": "2026-01-02T03:00:00.000000Z",
         *       "active_at": "2026-01-02T03:04:05.678901Z",
         *       "role": "owner",
         *       "member_count": 3,
         *       "head_seq": 42,
         *       "floor_seq": 1,
         *       "acked_seq": 41,
         *       "read_seq": 40,
         *       "unread_count": 1,
         *       "mention_count": 0,
         *       "preferences": {
         *         "notify": "all",
         *         "pinned": false,
         *         "archived": false
         *       },
         *       "last_message": {
         *         "conversation_id": "0198c5de-0000-7000-8000-000000000001",
         *         "seq": 42,
         *         "sender": "bob",
         *         "client_msg_id": "c-1",
         *         "at": "2026-01-02T03:04:05.678901Z",
         *         "content": {
         *           "type": "text",
         *           "text": "Hello"
         *         },
         *         "recalled": false,
         *         "reactions": [],
         *         "pinned": false
         *       },
         *       "events": [],
         *       "limited": false
         *     }
         */
        Conversation: {
            conversation_id: components["schemas"]["ConversationID"];
            /** @enum {string} */
            kind: "direct" | "group";
            title: string | null;
            avatar_url: string | null;
            settings: components["schemas"]["Settings"];
            metadata: components["schemas"]["MetadataOrNull"];
            created_at: components["schemas"]["Time"];
            /**
             * @description The time of the newest message, or of the caller's latest joining if that is later. Edits, recalls, reactions and
             *     pins do not change it. Lists are in its order, the latest first.
             */
            active_at: components["schemas"]["Time"];
            /**
             * @description The caller's role; empty for a backend that is not a member.
             * @enum {string}
             */
            role: "owner" | "admin" | "member" | "";
            /** @description The other user of a direct conversation. */
            peer?: components["schemas"]["UserID"];
            member_count: number;
            /** Format: int64 */
            head_seq: number;
            /**
             * Format: int64
             * @description The lowest seq that the caller may read: the seq of their last joining if `history` is `since_join`, and
             *     otherwise 1. Everything below is answered with `not_found`.
             */
            floor_seq: number;
            /**
             * Format: int64
             * @description The position that the device has acknowledged.
             */
            acked_seq: number;
            /** Format: int64 */
            read_seq: number;
            /** Format: int64 */
            unread_count: number;
            /** Format: int64 */
            mention_count: number;
            preferences: components["schemas"]["Preferences"];
            last_message: components["schemas"]["Message"] | null;
            /** @description The newest `timeline_limit` events. */
            events: components["schemas"]["Event"][];
            /** @description There are older events that the device has not acknowledged and that are not in `events`. */
            limited: boolean;
        };
        /**
         * @example {
         *       "items": [],
         *       "next_cursor": "b3BhcXVl"
         *     }
         */
        ConversationList: {
            items: components["schemas"]["Conversation"][];
            next_cursor: string | null;
        };
        Member: {
            user_id: components["schemas"]["UserID"];
            role: components["schemas"]["Role"];
            /** Format: int64 */
            joined_seq: number;
        };
        /**
         * @example {
         *       "items": [
         *         {
         *           "user_id": "alice",
         *           "role": "owner",
         *           "joined_seq": 1
         *         },
         *         {
         *           "user_id": "bob",
         *           "role": "member",
         *           "joined_seq": 1
         *         }
         *       ],
         *       "next_cursor": null
         *     }
         */
        MemberList: {
            items: components["schemas"]["Member"][];
            next_cursor: string | null;
        };
        /** @description Profiles of the users in the page. */
        Users: {
            [key: string]: {
                name: string | null;
                avatar_url: string | null;
            };
        };
        /**
         * @example {
         *       "messages": [
         *         {
         *           "conversation_id": "0198c5de-0000-7000-8000-000000000001",
         *           "seq": 42,
         *           "sender": "bob",
         *           "client_msg_id": "c-1",
         *           "at": "2026-01-02T03:04:05.678901Z",
         *           "content": {
         *             "type": "text",
         *             "text": "Hello"
         *           },
         *           "recalled": false,
         *           "reactions": [],
         *           "pinned": false
         *         }
         *       ],
         *       "head_seq": 42,
         *       "floor_seq": 1,
         *       "has_more_before": true,
         *       "has_more_after": false,
         *       "users": {}
         *     }
         */
        MessagePage: {
            messages: components["schemas"]["Message"][];
            /** Format: int64 */
            head_seq: number;
            /** Format: int64 */
            floor_seq: number;
            has_more_before: boolean;
            has_more_after: boolean;
            users: components["schemas"]["Users"];
        };
        /**
         * @example {
         *       "conversation_id": "0198c5de-0000-7000-8000-000000000001",
         *       "epoch": "01JGF3",
         *       "events": [
         *         {
         *           "conversation_id": "0198c5de-0000-7000-8000-000000000001",
         *           "seq": 42,
         *           "type": "message.posted",
         *           "sender": "bob",
         *           "client_msg_id": "c-1",
         *           "at": "2026-01-02T03:04:05.678901Z",
         *           "body": {
         *             "content": {
         *               "type": "text",
         *               "text": "Hello"
         *             }
         *           }
         *         }
         *       ],
         *       "from_seq": 42,
         *       "to_seq": 42,
         *       "head_seq": 42,
         *       "floor_seq": 1,
         *       "has_more": false,
         *       "users": {}
         *     }
         */
        EventPage: {
            conversation_id: components["schemas"]["ConversationID"];
            /** @description A different epoch than before means that the log was restored to an earlier state. */
            epoch: string;
            events: components["schemas"]["Event"][];
            /**
             * Format: int64
             * @description The seq of the first event; 0 if the page is empty.
             */
            from_seq: number;
            /**
             * Format: int64
             * @description The seq of the last event; 0 if the page is empty.
             */
            to_seq: number;
            /** Format: int64 */
            head_seq: number;
            /** Format: int64 */
            floor_seq: number;
            has_more: boolean;
            users: components["schemas"]["Users"];
        };
        /**
         * @example {
         *       "conversation_id": "0198c5de-0000-7000-8000-000000000001",
         *       "read_seq": 42,
         *       "unread_count": 0,
         *       "mention_count": 0,
         *       "unread_total": 3
         *     }
         */
        ReadState: {
            conversation_id: components["schemas"]["ConversationID"];
            /** Format: int64 */
            read_seq: number;
            /** Format: int64 */
            unread_count: number;
            /** Format: int64 */
            mention_count: number;
            /**
             * Format: int64
             * @description The number of unread messages in all conversations of the user.
             */
            unread_total: number;
        };
        /**
         * @example {
         *       "epoch": "01JGF3",
         *       "conversations": [],
         *       "removed": [
         *         "0198c5de-0000-7000-8000-000000000002"
         *       ],
         *       "users": {},
         *       "cursor": "b3BhcXVl",
         *       "done": true,
         *       "unread_total": 3
         *     }
         */
        SyncPage: {
            epoch: string;
            conversations: components["schemas"]["Conversation"][];
            /** @description Conversations that the user is no longer a member of. */
            removed: components["schemas"]["ConversationID"][];
            users: components["schemas"]["Users"];
            cursor: string;
            done: boolean;
            /**
             * Format: int64
             * @description In the page that is `done`.
             */
            unread_total?: number;
        };
        /** @description RFC 9457, with what a client needs to react. */
        Problem: {
            /** @example about:blank */
            type: string;
            title: string;
            status: number;
            detail: string;
            /** @enum {string} */
            code: "unauthenticated" | "token_expired" | "forbidden" | "blocked" | "rejected" | "not_found" | "conflict" | "idempotency_conflict" | "limit_exceeded" | "cursor_invalid" | "too_large" | "invalid" | "rate_limited" | "unavailable" | "internal";
            /**
             * @description Whether the same request may be repeated.
             * @enum {string}
             */
            retry: "never" | "again" | "after";
            /** Format: int64 */
            retry_after_ms?: number;
            /** @description What is wrong, by JSON pointer into the request, or by `/` and the name of the parameter. */
            fields?: {
                [key: string]: string;
            };
            /** @description The `X-Request-Id` of the answer, for the operator, whose log has it too. */
            request_id?: string;
        };
        DevTokenRequest: {
            user: components["schemas"]["UserID"];
        };
        DevToken: {
            token: string;
            user_id: components["schemas"]["UserID"];
            expires_at: components["schemas"]["Time"];
        };
        /**
         * @example {
         *       "status": "ok"
         *     }
         */
        Health: {
            /** @enum {string} */
            status: "ok";
        };
        /**
         * @example {
         *       "status": "degraded",
         *       "checks": {
         *         "postgresql": "ok",
         *         "redis": "ok",
         *         "rabbitmq": "failed"
         *       },
         *       "reasons": {
         *         "rabbitmq": "RabbitMQ takes no messages: low on memory"
         *       }
         *     }
         */
        Readiness: {
            /**
             * @description `degraded`: Redis or RabbitMQ cannot be used. The node still serves, and other nodes read new events from the tail of the log within 2 s.
             * @enum {string}
             */
            status: "ready" | "degraded" | "unready" | "draining";
            /** @description The state of each dependency. */
            checks: {
                [key: string]: "ok" | "failed";
            };
            /** @description What is wrong with a failed dependency and what to do, where that is known. The log has more. */
            reasons?: {
                [key: string]: string;
            };
        };
        PutUser: {
            /** @description At most `name_chars` (200 unless configured) characters. */
            name?: string | null;
            avatar_url?: string | null;
            metadata?: components["schemas"]["MetadataOrNull"];
        };
        /**
         * @description The profile of a user.
         * @example {
         *       "name": "Bob",
         *       "avatar_url": "https://example.org/bob.png",
         *       "metadata": {
         *         "team": 7
         *       }
         *     }
         */
        UserProfile: {
            name: string | null;
            avatar_url: string | null;
            metadata: components["schemas"]["MetadataOrNull"];
        };
        /**
         * @example {
         *       "users": {
         *         "bob": {
         *           "name": "Bob",
         *           "avatar_url": null,
         *           "metadata": null
         *         }
         *       }
         *     }
         */
        UserProfiles: {
            users: {
                [key: string]: components["schemas"]["UserProfile"];
            };
        };
        UpdatePreferences: {
            /** @enum {string} */
            notify?: "all" | "mentions" | "none";
            pinned?: boolean;
            archived?: boolean;
        };
        /**
         * @description The user's own preferences of the conversation.
         * @example {
         *       "notify": "mentions",
         *       "pinned": true,
         *       "archived": false
         *     }
         */
        PreferencesAnswer: {
            /**
             * @description Which messages the app's own notifications are for.
             * @enum {string}
             */
            notify: "all" | "mentions" | "none";
            pinned: boolean;
            archived: boolean;
        };
        /**
         * @example {
         *       "items": [
         *         {
         *           "session_id": "RXHBUW5YQJXJBG4AZ3IYJTUZ7E",
         *           "device_id": "phone-1",
         *           "node_id": "im-1-5b2c7f0a91",
         *           "background": false,
         *           "connected_at": "2026-01-02T03:04:05.678000Z"
         *         }
         *       ],
         *       "next_cursor": null
         *     }
         */
        SessionList: {
            items: {
                session_id: string;
                device_id: components["schemas"]["DeviceID"];
                node_id: string;
                /** @description The session does not count as online. */
                background: boolean;
                connected_at: components["schemas"]["Time"];
                /** @description The session belongs to the device that the caller's token is bound to. */
                current?: boolean;
            }[];
            /** @description Always null. */
            next_cursor: string | null;
        };
        /**
         * @example {
         *       "items": [
         *         {
         *           "user_id": "mallory",
         *           "since": "2026-01-02T03:04:05.678901Z"
         *         }
         *       ],
         *       "next_cursor": null
         *     }
         */
        BlockList: {
            items: {
                user_id: components["schemas"]["UserID"];
                since: components["schemas"]["Time"];
            }[];
            next_cursor: string | null;
        };
        SendNotice: {
            /** @description The app's own type of notice. */
            biz_type: string;
            /** @description Any JSON, at most `content_bytes` (32768 unless configured) bytes. */
            data: unknown;
        };
        /**
         * @example {
         *       "notice_id": "RXHBUW5YQJXJBG4AZ3IYJTUZ7E",
         *       "online": 1,
         *       "sessions": 2
         *     }
         */
        NoticeSent: {
            notice_id: string;
            /** @description The number of users that were online. */
            online: number;
            /** @description The number of live sessions, including those in the background. */
            sessions: number;
        };
        /**
         * @example {
         *       "online_users": 2,
         *       "sessions": 3,
         *       "nodes": [
         *         {
         *           "node_id": "im-1-5b2c7f0a91",
         *           "sessions": 3,
         *           "users": 2,
         *           "started_at": "2026-01-02T03:00:00.000000Z"
         *         }
         *       ],
         *       "messages": 42
         *     }
         */
        Stats: {
            /** @description Each user counts once, however many sessions they have. */
            online_users: number;
            sessions: number;
            nodes: {
                node_id: string;
                sessions: number;
                users: number;
                started_at: components["schemas"]["Time"];
            }[];
            /**
             * Format: int64
             * @description All messages ever posted, including recalled ones.
             */
            messages: number;
        };
        Presence: {
            user_id: components["schemas"]["UserID"];
            /** @description Null if it is unknown at the moment. */
            online: boolean | null;
            /**
             * Format: date-time
             * @description For users who are offline and were online before.
             */
            last_seen_at?: string;
        };
        /**
         * @example {
         *       "items": [
         *         {
         *           "user_id": "bob",
         *           "online": true
         *         },
         *         {
         *           "user_id": "carol",
         *           "online": false,
         *           "last_seen_at": "2026-01-02T03:04:05.678901Z"
         *         }
         *       ],
         *       "next_cursor": null
         *     }
         */
        PresenceList: {
            items: components["schemas"]["Presence"][];
            next_cursor: string | null;
        };
        /**
         * @example {
         *       "conversation_id": "0198c5f2-7a5e-7c31-9d40-6f1f2f6f2a10",
         *       "seq": 42,
         *       "sender": "alice",
         *       "committed": {
         *         "at": "2026-01-02T03:04:05.678901Z",
         *         "node": "im-1"
         *       },
         *       "routed": [
         *         "im-2-5b2c7f0a91"
         *       ],
         *       "items": [
         *         {
         *           "user_id": "bob",
         *           "delivered": true,
         *           "read": false,
         *           "delivered_seq": 42,
         *           "read_seq": 41,
         *           "devices": [
         *             {
         *               "device_id": "phone",
         *               "acked_seq": 42,
         *               "acked": true
         *             }
         *           ],
         *           "sessions": [
         *             {
         *               "session_id": "S1",
         *               "device_id": "phone",
         *               "node_id": "im-2-5b2c7f0a91",
         *               "background": false,
         *               "connected_at": "2026-01-02T03:00:00.000000Z",
         *               "pushed": true
         *             }
         *           ]
         *         }
         *       ],
         *       "next_cursor": null
         *     }
         */
        Trace: {
            conversation_id: components["schemas"]["ConversationID"];
            /** Format: int64 */
            seq: number;
            sender: components["schemas"]["UserID"];
            committed: {
                at: components["schemas"]["Time"];
                /** @description The name of the node that accepted the message; null when it is no longer known. */
                node: string | null;
            };
            /** @description The nodes with sessions of the members in this page. */
            routed: string[] | null;
            items: components["schemas"]["TraceMember"][];
            next_cursor: string | null;
        };
        TraceMember: {
            user_id: components["schemas"]["UserID"];
            /** @description To at least one of the devices. */
            delivered: boolean;
            read: boolean;
            /** Format: int64 */
            delivered_seq: number;
            /** Format: int64 */
            read_seq: number;
            /** @description The devices that have acknowledged events of the conversation. */
            devices: {
                device_id: string;
                /** Format: int64 */
                acked_seq: number;
                acked: boolean;
            }[];
            /** @description The member's live sessions, on all nodes. */
            sessions: {
                session_id: string;
                device_id: string;
                node_id: string;
                background: boolean;
                connected_at: components["schemas"]["Time"];
                pushed: boolean | null;
            }[] | null;
        };
        /**
         * @example {
         *       "items": [
         *         {
         *           "user_id": "alice",
         *           "delivered_seq": 42,
         *           "read_seq": 42
         *         },
         *         {
         *           "user_id": "bob",
         *           "delivered_seq": 42,
         *           "read_seq": 7
         *         }
         *       ],
         *       "next_cursor": null
         *     }
         */
        ReceiptList: {
            items: {
                user_id: components["schemas"]["UserID"];
                /** Format: int64 */
                delivered_seq: number;
                /** Format: int64 */
                read_seq: number;
            }[];
            next_cursor: string | null;
        };
    };
    responses: {
        /**
         * @description The call was refused or failed. `code` is the reason and `retry` is what to do. `Retry-After` is the delay in seconds;
         *     it is present with 429, and with 503 if a delay is known.
         */
        Problem: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description The event of the change.
         * @example {
         *       "conversation_id": "0198c5de-0000-7000-8000-000000000001",
         *       "seq": 42,
         *       "type": "message.posted",
         *       "sender": "bob",
         *       "client_msg_id": "c-1",
         *       "at": "2026-01-02T03:04:05.678901Z",
         *       "body": {
         *         "content": {
         *           "type": "text",
         *           "text": "Hello"
         *         }
         *       }
         *     }
         */
        Event: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Event"];
            };
        };
        /** @description The message is durable. */
        Sent: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Event"];
            };
        };
        /** @description The message was sent before. This is the first event with that `client_msg_id`. */
        Duplicate: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Event"];
            };
        };
        /** @description Nothing changed. */
        Unchanged: {
            headers: {
                [name: string]: unknown;
            };
            content?: never;
        };
    };
    parameters: {
        /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
        OnBehalfOf: components["schemas"]["UserID"];
        /** @example 0198c5de-0000-7000-8000-000000000001 */
        ConversationID: components["schemas"]["ConversationID"];
        /**
         * @description The caller's device. A token that is bound to a device is for that one only.
         * @example phone-1
         */
        DeviceID: components["schemas"]["DeviceID"];
        /** @example 0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e5f */
        ReportID: string;
        /** @example 0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e60 */
        AttachmentID: string;
        /** @example 0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e60 */
        WebhookID: string;
        /**
         * @description The seq of the message.
         * @example 42
         */
        MessageSeq: number;
        /** @example bob */
        UserID: components["schemas"]["UserID"];
        /** @description The `next_cursor` (in a sync the `cursor`) of the page before; opaque. */
        Cursor: string;
        /** @description Maximum number of items in the page; the default is 100. */
        Limit: number;
        /** @description Maximum number of items in the page; the default is 100. At most `page_events` (1000 unless configured). */
        PageLimit: number;
        /** @description Only items above this seq, beginning with the lowest. */
        AfterSeq: number;
        /** @description Only items below this seq, the highest of them. */
        BeforeSeq: number;
    };
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    listConversations: {
        parameters: {
            query?: {
                /** @description The `next_cursor` (in a sync the `cursor`) of the page before; opaque. */
                cursor?: components["parameters"]["Cursor"];
                /** @description Maximum number of items in the page; the default is 100. */
                limit?: components["parameters"]["Limit"];
            };
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of conversations. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ConversationList"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    createConversation: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CreateConversation"];
            };
        };
        responses: {
            /** @description The conversation exists already. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Conversation"];
                };
            };
            /** @description The conversation was created. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Conversation"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    getConversation: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The conversation. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ConversationOrOpenGroup"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    updateConversation: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "title": "Release 2",
                 *       "avatar_url": null,
                 *       "settings": {
                 *         "posting": "admins"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["UpdateConversation"];
            };
        };
        responses: {
            200: components["responses"]["Event"];
            204: components["responses"]["Unchanged"];
            default: components["responses"]["Problem"];
        };
    };
    listMembers: {
        parameters: {
            query?: {
                /** @description The `next_cursor` (in a sync the `cursor`) of the page before; opaque. */
                cursor?: components["parameters"]["Cursor"];
                /** @description Maximum number of items in the page; the default is 100. */
                limit?: components["parameters"]["Limit"];
            };
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of members. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MemberList"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    addMembers: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "user_ids": [
                 *         "dave",
                 *         "erin"
                 *       ],
                 *       "role": "member"
                 *     }
                 */
                "application/json": components["schemas"]["AddMembers"];
            };
        };
        responses: {
            /** @description One event for each new member. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["EventList"];
                };
            };
            204: components["responses"]["Unchanged"];
            default: components["responses"]["Problem"];
        };
    };
    putMember: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
                /** @example bob */
                user_id: components["parameters"]["UserID"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "role": "admin"
                 *     }
                 */
                "application/json": components["schemas"]["PutMember"];
            };
        };
        responses: {
            200: components["responses"]["Event"];
            /** @description The user was added. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Event"];
                };
            };
            204: components["responses"]["Unchanged"];
            default: components["responses"]["Problem"];
        };
    };
    removeMember: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
                /** @example bob */
                user_id: components["parameters"]["UserID"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: components["responses"]["Event"];
            204: components["responses"]["Unchanged"];
            default: components["responses"]["Problem"];
        };
    };
    listBans: {
        parameters: {
            query?: {
                /** @description The `next_cursor` (in a sync the `cursor`) of the page before; opaque. */
                cursor?: components["parameters"]["Cursor"];
                /** @description Maximum number of items in the page; the default is 100. */
                limit?: components["parameters"]["Limit"];
            };
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SanctionList"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    banMember: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
                /** @example bob */
                user_id: components["parameters"]["UserID"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "until": "2030-01-02T03:04:05Z",
                 *       "reason": "spam"
                 *     }
                 */
                "application/json": components["schemas"]["Ban"];
            };
        };
        responses: {
            200: components["responses"]["Event"];
            204: components["responses"]["Unchanged"];
            default: components["responses"]["Problem"];
        };
    };
    unbanMember: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
                /** @example bob */
                user_id: components["parameters"]["UserID"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: components["responses"]["Event"];
            204: components["responses"]["Unchanged"];
            default: components["responses"]["Problem"];
        };
    };
    listMutes: {
        parameters: {
            query?: {
                /** @description The `next_cursor` (in a sync the `cursor`) of the page before; opaque. */
                cursor?: components["parameters"]["Cursor"];
                /** @description Maximum number of items in the page; the default is 100. */
                limit?: components["parameters"]["Limit"];
            };
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SanctionList"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    muteMember: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
                /** @example bob */
                user_id: components["parameters"]["UserID"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "until": "2030-01-02T03:04:05Z"
                 *     }
                 */
                "application/json": components["schemas"]["Mute"];
            };
        };
        responses: {
            200: components["responses"]["Event"];
            204: components["responses"]["Unchanged"];
            default: components["responses"]["Problem"];
        };
    };
    unmuteMember: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
                /** @example bob */
                user_id: components["parameters"]["UserID"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: components["responses"]["Event"];
            204: components["responses"]["Unchanged"];
            default: components["responses"]["Problem"];
        };
    };
    sendToUser: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "to": "bob",
                 *       "client_msg_id": "c-1",
                 *       "content": {
                 *         "type": "text",
                 *         "text": "Hello"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["SendToUser"];
            };
        };
        responses: {
            200: components["responses"]["Duplicate"];
            201: components["responses"]["Sent"];
            default: components["responses"]["Problem"];
        };
    };
    listMessages: {
        parameters: {
            query?: {
                /** @description Only items above this seq, beginning with the lowest. */
                after_seq?: components["parameters"]["AfterSeq"];
                /** @description Only items below this seq, the highest of them. */
                before_seq?: components["parameters"]["BeforeSeq"];
                /** @description This message, with half of `limit` messages on each side of it. */
                around_seq?: number;
                /**
                 * @description Messages posted around this time, with half of `limit` messages on each side of it.
                 * @example 2026-01-02T03:04:05Z
                 */
                around_at?: string;
                /** @description These messages. May be repeated, at most as often as the largest `limit`. */
                seq?: number[];
                /** @description The messages as they were when this seq was the head. A seq above the head means the head. */
                as_of_seq?: number;
                /**
                 * @description The messages as they were at this time.
                 * @example 2026-01-02T03:04:05Z
                 */
                as_of?: string;
                /** @description Maximum number of items in the page; the default is 100. At most `page_events` (1000 unless configured). */
                limit?: components["parameters"]["PageLimit"];
            };
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of messages. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MessagePage"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    sendMessage: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SendMessage"];
            };
        };
        responses: {
            200: components["responses"]["Duplicate"];
            201: components["responses"]["Sent"];
            default: components["responses"]["Problem"];
        };
    };
    getMessage: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
                /**
                 * @description The seq of the message.
                 * @example 42
                 */
                seq: components["parameters"]["MessageSeq"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The message as it is now. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Message"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    recallMessage: {
        parameters: {
            query?: {
                /**
                 * @description Shown to all members; at most `reason_chars` (200 unless configured) characters.
                 * @example deleted for everyone
                 */
                reason?: string;
            };
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
                /**
                 * @description The seq of the message.
                 * @example 42
                 */
                seq: components["parameters"]["MessageSeq"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: components["responses"]["Event"];
            204: components["responses"]["Unchanged"];
            default: components["responses"]["Problem"];
        };
    };
    editMessage: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
                /**
                 * @description The seq of the message.
                 * @example 42
                 */
                seq: components["parameters"]["MessageSeq"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "content": {
                 *         "type": "text",
                 *         "text": "@bob yes, today"
                 *       },
                 *       "mentions": [
                 *         "bob"
                 *       ]
                 *     }
                 */
                "application/json": components["schemas"]["EditMessage"];
            };
        };
        responses: {
            200: components["responses"]["Event"];
            204: components["responses"]["Unchanged"];
            default: components["responses"]["Problem"];
        };
    };
    traceMessage: {
        parameters: {
            query?: {
                /** @description The `next_cursor` (in a sync the `cursor`) of the page before; opaque. */
                cursor?: components["parameters"]["Cursor"];
                /** @description Maximum number of items in the page; the default is 100. */
                limit?: components["parameters"]["Limit"];
            };
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
                /**
                 * @description The seq of the message.
                 * @example 42
                 */
                seq: components["parameters"]["MessageSeq"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The delivery of the message, and a page of members. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Trace"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    listReactions: {
        parameters: {
            query?: {
                /** @description The `next_cursor` (in a sync the `cursor`) of the page before; opaque. */
                cursor?: components["parameters"]["Cursor"];
                /** @description Maximum number of items in the page; the default is 100. */
                limit?: components["parameters"]["Limit"];
            };
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
                /**
                 * @description The seq of the message.
                 * @example 42
                 */
                seq: components["parameters"]["MessageSeq"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of reactions. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ReactionList"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    react: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
                /**
                 * @description The seq of the message.
                 * @example 42
                 */
                seq: components["parameters"]["MessageSeq"];
                /**
                 * @description Any text of 1 to `emoji_bytes` (64 unless configured) bytes of UTF-8 without control characters,
                 *     percent-encoded. U+FE0F, which only asks for the emoji form of a character, is dropped before the bytes
                 *     are counted: 👍 with and without it, and ❤ and ❤️, are one reaction, which either form adds and removes. Events and
                 *     lists have the emoji without U+FE0F. To show it, add U+FE0F again where Unicode's fully-qualified form has it;
                 *     `EmojiForm` of the Go client and `emojiForm` of the JavaScript client do that.
                 * @example 👍
                 */
                emoji: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: components["responses"]["Event"];
            204: components["responses"]["Unchanged"];
            default: components["responses"]["Problem"];
        };
    };
    unreact: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
                /**
                 * @description The seq of the message.
                 * @example 42
                 */
                seq: components["parameters"]["MessageSeq"];
                /**
                 * @description Any text of 1 to `emoji_bytes` (64 unless configured) bytes of UTF-8 without control characters,
                 *     percent-encoded. U+FE0F, which only asks for the emoji form of a character, is dropped before the bytes
                 *     are counted: 👍 with and without it, and ❤ and ❤️, are one reaction, which either form adds and removes. Events and
                 *     lists have the emoji without U+FE0F. To show it, add U+FE0F again where Unicode's fully-qualified form has it;
                 *     `EmojiForm` of the Go client and `emojiForm` of the JavaScript client do that.
                 * @example 👍
                 */
                emoji: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: components["responses"]["Event"];
            204: components["responses"]["Unchanged"];
            default: components["responses"]["Problem"];
        };
    };
    pinMessage: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
                /**
                 * @description The seq of the message.
                 * @example 42
                 */
                seq: components["parameters"]["MessageSeq"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: components["responses"]["Event"];
            204: components["responses"]["Unchanged"];
            default: components["responses"]["Problem"];
        };
    };
    unpinMessage: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
                /**
                 * @description The seq of the message.
                 * @example 42
                 */
                seq: components["parameters"]["MessageSeq"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: components["responses"]["Event"];
            204: components["responses"]["Unchanged"];
            default: components["responses"]["Problem"];
        };
    };
    listPins: {
        parameters: {
            query?: {
                /** @description The `next_cursor` (in a sync the `cursor`) of the page before; opaque. */
                cursor?: components["parameters"]["Cursor"];
                /** @description Maximum number of items in the page; the default is 100. */
                limit?: components["parameters"]["Limit"];
            };
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of pinned messages. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PinList"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    reportMessage: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
                /**
                 * @description The seq of the message.
                 * @example 42
                 */
                seq: components["parameters"]["MessageSeq"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "category": "spam",
                 *       "text": "The same link again and again"
                 *     }
                 */
                "application/json": components["schemas"]["NewReport"];
            };
        };
        responses: {
            /** @description The message is reported. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    searchMessages: {
        parameters: {
            query: {
                /**
                 * @description The text to search for.
                 * @example release "next week"
                 */
                q: string;
                /** @description Only in this conversation. */
                conversation_id?: components["schemas"]["ConversationID"];
                /** @description Only by this user. */
                sender?: components["schemas"]["UserID"];
                /**
                 * @description Only messages posted at this time or later.
                 * @example 2026-01-02T03:04:05Z
                 */
                since?: string;
                /**
                 * @description Only messages posted before this time.
                 * @example 2026-01-03T00:00:00Z
                 */
                until?: string;
                /** @description The `next_cursor` (in a sync the `cursor`) of the page before; opaque. */
                cursor?: components["parameters"]["Cursor"];
                /** @description Maximum number of items in the page; the default is 100. */
                limit?: components["parameters"]["Limit"];
            };
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of matching messages. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FoundList"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    listEvents: {
        parameters: {
            query?: {
                /** @description Only items above this seq, beginning with the lowest. */
                after_seq?: components["parameters"]["AfterSeq"];
                /** @description Only items below this seq, the highest of them. */
                before_seq?: components["parameters"]["BeforeSeq"];
                /** @description Maximum number of items in the page; the default is 100. At most `page_events` (1000 unless configured). */
                limit?: components["parameters"]["PageLimit"];
            };
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of the log. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["EventPage"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    markRead: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "seq": 42
                 *     }
                 */
                "application/json": components["schemas"]["MarkRead"];
            };
        };
        responses: {
            /** @description The read position and the unread counts. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ReadState"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    acknowledge: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "device_id": "phone-1",
                 *       "seq": 42
                 *     }
                 */
                "application/json": components["schemas"]["Acknowledge"];
            };
        };
        responses: {
            /** @description Accepted. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    sync: {
        parameters: {
            query?: {
                /** @description The `next_cursor` (in a sync the `cursor`) of the page before; opaque. */
                cursor?: components["parameters"]["Cursor"];
                /** @description Maximum number of conversations in the page; the default is 100. */
                limit?: number;
                /** @description Maximum number of newest events of each conversation; the default is 0. */
                timeline_limit?: number;
                /** @description The device whose `acked_seq` is returned; the default is the token's device. */
                device_id?: components["schemas"]["DeviceID"];
            };
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of conversations. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SyncPage"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    getHealth: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The process is alive. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    getReadiness: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The node serves. `status` shows whether all dependencies answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Readiness"];
                };
            };
            /** @description PostgreSQL does not answer, or the node is starting or draining. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Readiness"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    getDescription: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OpenAPI 3.0.3. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/yaml": string;
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    getSocketDescription: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description AsyncAPI 3.0. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/yaml": string;
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    getDevToken: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "user": "alice"
                 *     }
                 */
                "application/json": components["schemas"]["DevTokenRequest"];
            };
        };
        responses: {
            /** @description The token. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DevToken"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    getUsers: {
        parameters: {
            query: {
                /** @description May be repeated, up to 100 times. */
                user_id: components["schemas"]["UserID"][];
            };
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The profiles, by user. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UserProfiles"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    putUser: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example bob */
                user_id: components["parameters"]["UserID"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "name": "Bob",
                 *       "avatar_url": "https://example.org/bob.png",
                 *       "metadata": {
                 *         "team": 7
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["PutUser"];
            };
        };
        responses: {
            /** @description The profile. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UserProfile"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    getPreferences: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The preferences. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PreferencesAnswer"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    updatePreferences: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "notify": "mentions",
                 *       "pinned": true
                 *     }
                 */
                "application/json": components["schemas"]["UpdatePreferences"];
            };
        };
        responses: {
            /** @description All preferences after the change. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PreferencesAnswer"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    listSessions: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The sessions. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionList"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    endSession: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example RXHBUW5YQJXJBG4AZ3IYJTUZ7E */
                session_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The session ends. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    endSessions: {
        parameters: {
            query?: {
                revoke?: boolean;
            };
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example bob */
                user_id: components["parameters"]["UserID"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The sessions end. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    banUser: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example bob */
                user_id: components["parameters"]["UserID"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "reason": "fraud"
                 *     }
                 */
                "application/json": components["schemas"]["Ban"];
            };
        };
        responses: {
            /** @description The user is banned. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    unbanUser: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example bob */
                user_id: components["parameters"]["UserID"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The user is not banned. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    listReports: {
        parameters: {
            query?: {
                /** @description Only the reports in this state. */
                state?: "open" | "accepted" | "dismissed";
                /** @description The `next_cursor` (in a sync the `cursor`) of the page before; opaque. */
                cursor?: components["parameters"]["Cursor"];
                /** @description Maximum number of items in the page; the default is 100. */
                limit?: components["parameters"]["Limit"];
            };
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ReportList"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    decideReport: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e5f */
                report_id: components["parameters"]["ReportID"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "state": "accepted"
                 *     }
                 */
                "application/json": components["schemas"]["DecideReport"];
            };
        };
        responses: {
            /** @description The report. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Report"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    listWebhooks: {
        parameters: {
            query?: {
                /** @description The `next_cursor` (in a sync the `cursor`) of the page before; opaque. */
                cursor?: components["parameters"]["Cursor"];
                /** @description Maximum number of items in the page; the default is 100. */
                limit?: components["parameters"]["Limit"];
            };
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WebhookList"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    createWebhook: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "url": "https://app.example.com/im-events",
                 *       "types": [
                 *         "message.posted",
                 *         "message.notify"
                 *       ]
                 *     }
                 */
                "application/json": components["schemas"]["CreateWebhook"];
            };
        };
        responses: {
            /** @description The webhook, with its secret, which is not shown again. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Webhook"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    getWebhook: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e60 */
                webhook_id: components["parameters"]["WebhookID"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The webhook, without its secret. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Webhook"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    deleteWebhook: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e60 */
                webhook_id: components["parameters"]["WebhookID"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The webhook is deleted. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    updateWebhook: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e60 */
                webhook_id: components["parameters"]["WebhookID"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "state": "enabled"
                 *     }
                 */
                "application/json": components["schemas"]["UpdateWebhook"];
            };
        };
        responses: {
            /** @description The webhook, without its secret. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Webhook"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    rotateWebhook: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e60 */
                webhook_id: components["parameters"]["WebhookID"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The webhook, with its new secret, which is not shown again. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Webhook"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    testWebhook: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e60 */
                webhook_id: components["parameters"]["WebhookID"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The result of the call. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WebhookTest"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    replayWebhook: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e60 */
                webhook_id: components["parameters"]["WebhookID"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ReplayWebhook"];
            };
        };
        responses: {
            /** @description The events are going to be sent. */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    listDeliveries: {
        parameters: {
            query?: {
                /** @description Only the deliveries in this state. */
                state?: "waiting" | "failed";
                /** @description The `next_cursor` (in a sync the `cursor`) of the page before; opaque. */
                cursor?: components["parameters"]["Cursor"];
                /** @description Maximum number of items in the page; the default is 100. */
                limit?: components["parameters"]["Limit"];
            };
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e60 */
                webhook_id: components["parameters"]["WebhookID"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeliveryList"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    getFeed: {
        parameters: {
            query?: {
                /** @description The `cursor` of the page before; opaque. */
                cursor?: string;
                /** @description Maximum number of items in the page; the default is 100. At most `page_events` (1000 unless configured). */
                limit?: components["parameters"]["PageLimit"];
                /** @description Seconds to wait for events if there are none; the default is 0. */
                wait?: number;
            };
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["EventFeed"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    listBlocks: {
        parameters: {
            query?: {
                /** @description The `next_cursor` (in a sync the `cursor`) of the page before; opaque. */
                cursor?: components["parameters"]["Cursor"];
                /** @description Maximum number of items in the page; the default is 100. */
                limit?: components["parameters"]["Limit"];
            };
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of users. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BlockList"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    block: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example bob */
                user_id: components["parameters"]["UserID"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The user is blocked. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    unblock: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example bob */
                user_id: components["parameters"]["UserID"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The user is not blocked. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    notifyUser: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example bob */
                user_id: components["parameters"]["UserID"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "biz_type": "order.shipped",
                 *       "data": {
                 *         "order_id": 7
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["SendNotice"];
            };
        };
        responses: {
            /** @description Sent. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NoticeSent"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    notifyAll: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "biz_type": "maintenance",
                 *       "data": {
                 *         "at": "2026-01-02T04:00:00Z"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["SendNotice"];
            };
        };
        responses: {
            /** @description Sent. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NoticeSent"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    getStats: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The counts. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Stats"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    createAttachment: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "name": "plan.pdf",
                 *       "size": 48213,
                 *       "mime": "application/pdf",
                 *       "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
                 *     }
                 */
                "application/json": components["schemas"]["CreateAttachment"];
            };
        };
        responses: {
            /** @description How to upload the file. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AttachmentUpload"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    getAttachment: {
        parameters: {
            query?: {
                /** @description With false, the answer is 200 with the URL. A page can then use it in an image. The default is true. */
                redirect?: boolean;
            };
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e60 */
                attachment_id: components["parameters"]["AttachmentID"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Where the file is; with `redirect=false`. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AttachmentLink"];
                };
            };
            /** @description A redirect to the file. */
            302: {
                headers: {
                    /** @description The URL of the file. */
                    Location?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    getPush: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The providers that are set up. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PushInfo"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    putPush: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /**
                 * @description The caller's device. A token that is bound to a device is for that one only.
                 * @example phone-1
                 */
                device_id: components["parameters"]["DeviceID"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PutPush"];
            };
        };
        responses: {
            /** @description The device is registered. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    deletePush: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /**
                 * @description The caller's device. A token that is bound to a device is for that one only.
                 * @example phone-1
                 */
                device_id: components["parameters"]["DeviceID"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The device is not registered. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    testPush: {
        parameters: {
            query?: never;
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /**
                 * @description The caller's device. A token that is bound to a device is for that one only.
                 * @example phone-1
                 */
                device_id: components["parameters"]["DeviceID"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer of the provider. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PushTest"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    listReceipts: {
        parameters: {
            query?: {
                /** @description The `next_cursor` (in a sync the `cursor`) of the page before; opaque. */
                cursor?: components["parameters"]["Cursor"];
                /** @description Maximum number of items in the page; the default is 100. */
                limit?: components["parameters"]["Limit"];
            };
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path: {
                /** @example 0198c5de-0000-7000-8000-000000000001 */
                conversation_id: components["parameters"]["ConversationID"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of members. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ReceiptList"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    getPresence: {
        parameters: {
            query: {
                /**
                 * @description The user whose presence to return. May be repeated, up to 100 times.
                 * @example [
                 *       "bob",
                 *       "carol"
                 *     ]
                 */
                user_id: components["schemas"]["UserID"][];
            };
            header?: {
                /** @description The user that a backend acts for. Only with a server token; otherwise `forbidden`. */
                "X-IM-User"?: components["parameters"]["OnBehalfOf"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One entry for each requested user, in the same order. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PresenceList"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
}
