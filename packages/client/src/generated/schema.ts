/** Made from openapi.json by `npm run generate`; do not edit. */
export interface paths {
    "/network": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Found a network
         * @description Makes this node the first member and admin. The recovery key is in this answer and nowhere else.
         */
        post: operations["foundNetwork"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/register": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Join a network with an invite
         * @description Join a network with an invite.
         */
        post: operations["register"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/unregister": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Leave the network for good
         * @description Drains the replicas, draws new owners, says farewell. Progress comes as `leave:progress` events. With `?wait=true` the answer comes at the end, or with what stopped it, and a client that goes away cancels the leaving as long as only copies are made. `force` while a leaving without it is under way makes that one forced.
         */
        post: operations["unregister"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/connect": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Come online and tell every member
         * @description Come online and tell every member.
         */
        post: operations["connect"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/disconnect": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Go offline and tell every member
         * @description Go offline and tell every member.
         */
        post: operations["disconnect"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/network/upgrade": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Activate a rules version for all
         * @description Admins only, and never taken back. Nodes whose software lacks it store and pass on entries, and neither execute nor write any until it is replaced. Without `rules`: the newest that this software knows. Nothing happens when it is active already.
         */
        post: operations["upgradeRules"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/recover": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Make this node admin by the recovery key
         * @description Make this node admin by the recovery key.
         */
        post: operations["recover"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/nodes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * All members
         * @description All members.
         */
        get: operations["listNodes"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/nodes/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * One member
         * @description One member.
         */
        get: operations["getNode"];
        put?: never;
        post?: never;
        /**
         * Expel a member
         * @description Admins only. Quarantines it at once; `waitsFor` says what finality waits for, null when it is final. With `recoveryKey` any node that was ever admitted may, and it is final; `since` (with it only) is the id of the first entry of that node which shall count no more: that and all that followed from it is undone.
         */
        delete: operations["expel"];
        options?: never;
        head?: never;
        /**
         * Change the role of a member
         * @description Admins only.
         */
        patch: operations["setRole"];
        trace?: never;
    };
    "/nodes/{id}/quarantine": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Cut a member off from chunks, boxes, keys and grants
         * @description Admins only.
         */
        post: operations["quarantine"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/nodes/{id}/release": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * End the quarantine of a member
         * @description Admins only.
         */
        post: operations["release"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/invites": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Invites and what became of them
         * @description Invites and what became of them.
         */
        get: operations["listInvites"];
        put?: never;
        /**
         * Invite a branch
         * @description Admins only. The string `invite` is in this answer and nowhere else. With `recoveryKey` it may replace an admin’s machine.
         */
        post: operations["createInvite"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/invites/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Revoke an invite
         * @description Admins only.
         */
        delete: operations["revokeInvite"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/files": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Files that this branch may see, of all branches
         * @description Files that this branch may see, of all branches.
         */
        get: operations["listFiles"];
        put?: never;
        /**
         * Share a file
         * @description Fields in any order. The bytes are sealed as they come; nothing is published before the closing boundary. Answers when the file is stored here; distribution goes on in the background.
         */
        post: operations["uploadFile"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/files/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * One file, and who can see it
         * @description One file, and who can see it.
         */
        get: operations["getFile"];
        /**
         * Give a file new content
         * @description Owner only. Name, type, tags and campaign stay as they are unless given.
         */
        put: operations["updateFile"];
        post?: never;
        /**
         * Delete a file
         * @description Owner only. Hides it everywhere at once and keeps it for the retention; `purge` removes the bytes from every holder.
         */
        delete: operations["deleteFile"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/files/{id}/versions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Versions of a file
         * @description Versions of a file.
         */
        get: operations["listVersions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/files/{id}/fetch": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Make a local copy now
         * @description Make a local copy now.
         */
        post: operations["fetchFile"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/files/{id}/restore": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Take a file out of the trash, or make an older version the present one
         * @description Owner only.
         */
        post: operations["restoreFile"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/files/{id}/wait": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Wait until a file is held by enough members
         * @description Wait until a file is held by enough members.
         */
        get: operations["waitForFile"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/files/{id}/content": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The plain bytes of a file
         * @description Streams while the rest is still on its way; chunks of the range go first.
         */
        get: operations["getContent"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        /**
         * Size, type and entity tag of the content
         * @description Size, type and entity tag of the content.
         */
        head: operations["headContent"];
        patch?: never;
        trace?: never;
    };
    "/files/{id}/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * A small picture of the present version
         * @description Of pictures (JPEG, PNG, WebP, GIF), made by the branch that shared them: at most 320 pixels wide and high. `hasPreview` of the file says whether there is one.
         */
        get: operations["getPreview"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/files/blacklist": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Who is denied which of the files that this node may see
         * @description Who is denied which of the files that this node may see.
         */
        get: operations["listBlacklist"];
        put?: never;
        /**
         * Deny a file to a branch, or to several
         * @description Owner only. A node stands for its branch. Whoever could read the file until now may have kept a copy.
         */
        post: operations["denyNode"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/files/blacklist/{fileId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /**
         * Replace the blacklist of a file
         * @description Owner only. Everyone but these may read it then, newcomers too, also where it was shared with some only. An empty list is everyone.
         */
        put: operations["setBlacklist"];
        post?: never;
        /**
         * Take nodes, or all, off the blacklist of a file
         * @description Owner only. Exactly one of `node` (repeatable) and `all=true`. A file that was shared with some only is shared with these too; with `all`, with everyone.
         */
        delete: operations["allowNode"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/handoffs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Open offers to this branch and of this branch
         * @description Open offers to this branch and of this branch.
         */
        get: operations["listHandoffs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/files/{id}/handoff": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Offer a file to another branch
         * @description Owner only. The file is frozen until the offer ends.
         */
        post: operations["offerFile"];
        /**
         * Cancel the open offer of a file
         * @description Owner only.
         */
        delete: operations["cancelOffer"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/files/{id}/handoff/accept": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Accept a file that is offered to this branch
         * @description Accept a file that is offered to this branch.
         */
        post: operations["acceptOffer"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/files/{id}/handoff/decline": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Decline a file that is offered to this branch
         * @description Decline a file that is offered to this branch.
         */
        post: operations["declineOffer"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/files/{id}/adopt": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Become the owner of an orphaned file
         * @description Become the owner of an orphaned file.
         */
        post: operations["adoptFile"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/files/{id}/assign": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Give an orphan, or a file whose offer was not answered, to a branch
         * @description Admins only. It takes effect when the branch accepts.
         */
        post: operations["assignFile"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/transfers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Transfers, running and ended
         * @description Transfers, running and ended.
         */
        get: operations["listTransfers"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/transfers/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * One transfer
         * @description One transfer.
         */
        get: operations["getTransfer"];
        put?: never;
        post?: never;
        /**
         * Cancel a transfer
         * @description Cancel a transfer.
         */
        delete: operations["cancelTransfer"];
        options?: never;
        head?: never;
        /**
         * Pause or resume a transfer, or let it go first
         * @description `first`: before all others of its kind; the last of those that run makes room for it.
         */
        patch: operations["setTransferState"];
        trace?: never;
    };
    "/limits": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Caps of the transfers
         * @description Caps of the transfers.
         */
        get: operations["getLimits"];
        /**
         * Change the caps of the transfers
         * @description Bytes per second; null lifts a cap; what is absent stays.
         */
        put: operations["setLimits"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ledger": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Entries in the order in which they arrived here
         * @description `after` counts local arrivals, so that late entries are not missed.
         */
        get: operations["listEntries"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ledger/digest": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Heads and state digest
         * @description Heads and state digest.
         */
        get: operations["getDigest"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ledger/verify": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Recompute everything from the entries and compare
         * @description Recompute everything from the entries and compare.
         */
        get: operations["verifyLedger"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ledger/repair": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Make the state anew from the entries, then verify
         * @description Changes nothing while the entries themselves are damaged: then `advice` says what to do.
         */
        post: operations["repairLedger"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * This node and the health of its network
         * @description This node and the health of its network.
         */
        get: operations["getStatus"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/doctor": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Check clock, ports, reachability, disk, chunks, database and versions
         * @description Check clock, ports, reachability, disk, chunks, database and versions.
         */
        get: operations["runDoctor"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Metrics for Prometheus
         * @description Metrics for Prometheus.
         */
        get: operations["getMetrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Whether the server answers
         * @description Whether the server answers.
         */
        get: operations["getHealth"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/prove": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Prove that the server knows the token
         * @description HMAC-SHA256 with the token as key over `malote-api-proof` and the 32 bytes of the nonce, hex. A client asks this before it sends the token.
         */
        get: operations["prove"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/session/code": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * A one-time code for a browser
         * @description A one-time code for a browser.
         */
        post: operations["createSessionCode"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Swap a one-time code for a session cookie
         * @description Swap a one-time code for a session cookie.
         */
        post: operations["createSession"];
        /**
         * End the session of this browser
         * @description End the session of this browser.
         */
        delete: operations["endSession"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Everything that happens, as server-sent events
         * @description Each event has `id`, `event` and as `data` the JSON `{id, time, type, data}`. `Last-Event-ID` replays what came after it, as far as the bounded buffer goes.
         */
        get: operations["streamEvents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/stop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Stop the node
         * @description Answers, then stops.
         */
        post: operations["stopNode"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * This document
         * @description This document.
         */
        get: operations["getDocument"];
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
        /** @description A node of the network */
        Node: {
            /** @description PeerId */
            id: string;
            /** @description `name~prefix` when two branches bear one name */
            branch: string;
            role: "member" | "admin";
            connected: boolean;
            lastSeen: string | null;
            path: ("tcp" | "udp" | "relay") | null;
            pathKind: ("lan" | "tcp" | "udp" | "punched-tcp" | "punched-udp" | "relay") | null;
            rttMs: number | null;
            bytesPerSecond: number | null;
            /** @description all that stand, the one in use first */
            paths: {
                kind: "lan" | "tcp" | "udp" | "punched-tcp" | "punched-udp" | "relay";
                /** @description multiaddr of its other end */
                address: string;
                /** @description since it stands */
                ageSeconds: number;
                rttMs: number | null;
                bytesPerSecond: number | null;
            }[];
            self: boolean;
            state: "member" | "quarantined" | "left" | "expelled";
            addresses: string[];
            /** @description what all members should know about it */
            marks: string[];
        };
        /** @description A shared file as this node may see it */
        File: {
            id: string;
            /** @description chosen by another branch: data, never a path */
            name: string;
            /** @description plain size, bytes */
            size: number;
            /** @description media type */
            type: string;
            version: number;
            owner: {
                /** @description PeerId of the branch's current node */
                id: string;
                branch: string;
            };
            /**
             * Format: date-time
             * @description first version
             */
            createdAt: string;
            /**
             * Format: date-time
             * @description last change
             */
            updatedAt: string;
            campaign: string | null;
            tags: string[];
            audience: "everyone" | "except" | "only";
            /** @description PeerIds of the denied branches' current nodes */
            denied: string[];
            copies: {
                /** @description verified holders */
                held: number;
                /** @description holders wanted */
                target: number;
            };
            local: "complete" | "partial" | "none";
            state: "live" | "deleted" | "orphaned";
            handoff: {
                to: {
                    /** @description PeerId of the branch's current node */
                    id: string;
                    branch: string;
                };
                /**
                 * Format: date-time
                 * @description when it was offered
                 */
                since: string;
            } | null;
            /** @description its owner has offered it twice and two branches have accepted; an admin may assign it anew */
            disputed: boolean;
            hasPreview: boolean;
        };
        /** @description Who can see a file, by branches */
        SeenBy: {
            /** @description `everyone`, `everyone except Natal, Rio`, `only Natal, Recife` */
            text: string;
            /** @description members that may read it now */
            readers: {
                /** @description PeerId of the branch's current node */
                id: string;
                branch: string;
            }[];
            /** @description members that may not */
            denied: {
                /** @description PeerId of the branch's current node */
                id: string;
                branch: string;
            }[];
            hadAccess: {
                /** @description PeerId of the branch's current node */
                id: string;
                branch: string;
                /**
                 * Format: date-time
                 * @description when it was denied
                 */
                until: string;
            }[] | null;
            knownSince: string | null;
        };
        /** @description One version of a file */
        Version: {
            version: number;
            /** @description plain size, bytes */
            size: number;
            name: string;
            /**
             * Format: date-time
             * @description when it was written
             */
            createdAt: string;
            author: {
                /** @description PeerId of the branch's current node */
                id: string;
                branch: string;
            };
            current: boolean;
            /** @description written beside another version that came first */
            conflict: boolean;
            local: "complete" | "partial" | "none";
            copies: {
                /** @description verified holders */
                held: number;
                /** @description holders wanted */
                target: number;
            };
        };
        /** @description An invite, without its secret */
        Invite: {
            id: string;
            branch: string;
            role: "member" | "admin";
            /**
             * Format: date-time
             * @description end of its validity
             */
            expires: string;
            state: "open" | "used" | "expired" | "revoked";
            replaces: string | null;
            usedBy: string | null;
        };
        /** @description Bytes on their way */
        Transfer: {
            id: string;
            kind: "upload" | "fetch" | "replicate" | "drain";
            fileId: string;
            name: string | null;
            state: "queued" | "running" | "paused" | "done" | "failed" | "cancelled";
            /** @description done, bytes */
            bytes: number;
            /** @description in all, bytes */
            total: number;
            bytesPerSecond: number;
            etaSeconds: number | null;
            sources: {
                id: string;
                branch: string;
                /** @description from it, bytes */
                bytes: number;
                path: ("lan" | "tcp" | "udp" | "punched-tcp" | "punched-udp" | "relay") | null;
            }[];
            /**
             * Format: date-time
             * @description start
             */
            startedAt: string;
            finishedAt: string | null;
            error: {
                code: string;
                message: string;
            } | null;
        };
        /** @description One entry of the ledger */
        LedgerEntry: {
            /** @description counts local arrivals; the cursor of `after` */
            arrival: number;
            id: string;
            kind: string;
            author: {
                id: string;
                branch: string | null;
            };
            feed: string;
            seq: number;
            /**
             * Format: date-time
             * @description the entry's clock
             */
            time: string;
            subject: string | null;
            refused: {
                code: string;
                reason: string;
            } | null;
        };
        /** @description Heads and state digest: equal on nodes that have the same entries */
        Digest: {
            heads: {
                author: string;
                feed: string;
                seq: number;
                id: string;
            }[];
            entries: number;
            /** @description hex */
            state: string;
        };
        /** @description What recomputing everything from the entries has yielded */
        Verification: {
            ok: boolean;
            entries: number;
            state: string;
            recomputed: string;
            problems: string[];
            advice: string | null;
        };
        /** @description This node and the health of its network */
        Status: {
            id: string;
            branch: string | null;
            role: ("member" | "admin") | null;
            network: {
                id: string;
                name: string;
            } | null;
            connected: boolean;
            members: {
                total: number;
                connected: number;
            };
            /** @description the paths in use to members, by kind: median round trip, best rate */
            paths: {
                kind: "lan" | "tcp" | "udp" | "punched-tcp" | "punched-udp" | "relay";
                count: number;
                rttMs: number | null;
                bytesPerSecond: number | null;
            }[];
            files: {
                total: number;
                /** @description of all live files, bytes */
                bytes: number;
                atRisk: number;
                /** @description files at risk that this branch may know of, fewest copies first; at most 100 */
                short: {
                    id: string;
                    name: string;
                    copies: {
                        /** @description verified holders */
                        held: number;
                        /** @description holders wanted */
                        target: number;
                    };
                }[];
            };
            ledger: {
                entries: number;
                state: string;
                inSyncWith: number;
                held: number;
                waiting: number;
                diverged: number;
                catchingUp: {
                    have: number;
                    expected: number;
                } | null;
            };
            reachability: {
                tcp: string;
                udp: string;
                relay: string;
                nat: string;
            };
            upnp: {
                /** @description mapped, no-router, no-public-address, refused, failed, not-needed, looking, waiting, off */
                state: string;
                address: string | null;
                detail: string | null;
            };
            disk: {
                /** @description used, bytes */
                used: number;
                /** @description free, bytes */
                free: number;
                capacity: number | null;
            };
            addresses: string[];
            version: string;
            rules: {
                active: number | null;
                known: number;
            };
            uptimeSeconds: number;
            warnings: {
                code: string;
                message: string;
                advice: string | null;
            }[];
        };
        /** @description The founded network, and its recovery key, shown this once */
        Founded: {
            id: string;
            branch: string | null;
            role: ("member" | "admin") | null;
            network: {
                id: string;
                name: string;
            } | null;
            connected: boolean;
            members: {
                total: number;
                connected: number;
            };
            /** @description the paths in use to members, by kind: median round trip, best rate */
            paths: {
                kind: "lan" | "tcp" | "udp" | "punched-tcp" | "punched-udp" | "relay";
                count: number;
                rttMs: number | null;
                bytesPerSecond: number | null;
            }[];
            files: {
                total: number;
                /** @description of all live files, bytes */
                bytes: number;
                atRisk: number;
                /** @description files at risk that this branch may know of, fewest copies first; at most 100 */
                short: {
                    id: string;
                    name: string;
                    copies: {
                        /** @description verified holders */
                        held: number;
                        /** @description holders wanted */
                        target: number;
                    };
                }[];
            };
            ledger: {
                entries: number;
                state: string;
                inSyncWith: number;
                held: number;
                waiting: number;
                diverged: number;
                catchingUp: {
                    have: number;
                    expected: number;
                } | null;
            };
            reachability: {
                tcp: string;
                udp: string;
                relay: string;
                nat: string;
            };
            upnp: {
                /** @description mapped, no-router, no-public-address, refused, failed, not-needed, looking, waiting, off */
                state: string;
                address: string | null;
                detail: string | null;
            };
            disk: {
                /** @description used, bytes */
                used: number;
                /** @description free, bytes */
                free: number;
                capacity: number | null;
            };
            addresses: string[];
            version: string;
            rules: {
                active: number | null;
                known: number;
            };
            uptimeSeconds: number;
            warnings: {
                code: string;
                message: string;
                advice: string | null;
            }[];
            /** @description to be kept on paper */
            recoveryKey: string;
        };
        /** @description One thing that was looked at */
        DoctorCheck: {
            name: string;
            state: "ok" | "warning" | "problem";
            message: string;
            advice: string | null;
        };
        /** @description Caps of the transfers, bytes per second; null = unlimited */
        Limits: {
            up: number | null;
            down: number | null;
        };
        /** @description RFC 9457 problem document; fields of its own per code */
        Problem: {
            type: string;
            title: string;
            status: number;
            detail: string;
            /** @description stable; what a program decides by */
            code: string;
            /** @description stable and finer: which failure; what a translation goes by, with further fields */
            reason?: string;
            advice?: string;
        } & {
            [key: string]: unknown;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    foundNetwork: {
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
                 *       "name": "Agência Horizonte",
                 *       "branch": "São Paulo"
                 *     }
                 */
                "application/json": {
                    /** @description of the network */
                    name: string;
                    /** @description this node's branch */
                    branch: string;
                    policy?: {
                        /** @description holders of each version, where there are so many members */
                        minCopies?: number;
                        /** @description at most so many holders, whatever share may be off */
                        maxCopies?: number;
                    };
                };
            };
        };
        responses: {
            /** @description The answer */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Founded"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    register: {
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
                 *       "invite": "eyJhbGciOiJFZERTQSIsInR5cCI6Im1hbG90ZS1pbnZpdGUifQ.…"
                 *     }
                 */
                "application/json": {
                    /** @description the whole string */
                    invite: string;
                    /** @description a member to ask, when those in the invite cannot be reached: IP, `IP:port`, DNS name, multiaddr */
                    ip?: string;
                };
            };
        };
        responses: {
            /** @description The answer */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Status"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    unregister: {
        parameters: {
            query?: {
                wait?: boolean;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                /** @example {} */
                "application/json": {
                    /** @description also when files must be left as orphans */
                    force?: boolean;
                };
            };
        };
        responses: {
            /** @description The answer */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        state: "leaving" | "left";
                    };
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    connect: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                /** @example {} */
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Status"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    disconnect: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                /** @example {} */
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Status"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    upgradeRules: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                /** @example {} */
                "application/json": {
                    rules?: number;
                };
            };
        };
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Status"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    recover: {
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
                 *       "recoveryKey": "G1S2-Q005-5TDP-SQPA-AWWP-2N97-CM05-YG5D-Q9YY-FGVZ-DBDF-VVXA-40B4-PG4D"
                 *     }
                 */
                "application/json": {
                    recoveryKey: string;
                };
            };
        };
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Status"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listNodes: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["Node"][];
                    };
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getNode: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description a node: branch name, PeerId, or a unique prefix of it (6+) */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Node"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    expel: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description a node: branch name, PeerId, or a unique prefix of it (6+) */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /** @example {} */
                "application/json": {
                    recoveryKey?: string;
                    since?: string;
                };
            };
        };
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        node: components["schemas"]["Node"];
                        waitsFor: string | null;
                    };
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    setRole: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description a node: branch name, PeerId, or a unique prefix of it (6+) */
                id: string;
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
                "application/json": {
                    role: "member" | "admin";
                };
            };
        };
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Node"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    quarantine: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description a node: branch name, PeerId, or a unique prefix of it (6+) */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /** @example {} */
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Node"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    release: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description a node: branch name, PeerId, or a unique prefix of it (6+) */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /** @example {} */
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Node"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listInvites: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["Invite"][];
                    };
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    createInvite: {
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
                 *       "branch": "Recife",
                 *       "role": "member",
                 *       "expires": "72h"
                 *     }
                 */
                "application/json": {
                    branch: string;
                    role?: "member" | "admin";
                    /** @description how long (`90m`, `72h`, `7d`) or until when (RFC 3339); default 72 h */
                    expires?: string;
                    /** @description a node: branch name, PeerId, or a unique prefix of it (6+) */
                    replaces?: string;
                    recoveryKey?: string;
                };
            };
        };
        responses: {
            /** @description The answer */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description the whole secret */
                        invite: string;
                    } & components["schemas"]["Invite"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    revokeInvite: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listFiles: {
        parameters: {
            query?: {
                /** @description words of the name, campaign or tags */
                q?: string;
                /** @description exact campaign */
                campaign?: string;
                /** @description a node: branch name, PeerId, or a unique prefix of it (6+) */
                owner?: string;
                /** @description exact tag */
                tag?: string;
                /** @description the trash instead */
                deleted?: boolean;
                /** @description `next` of the page before */
                cursor?: string;
                /** @description default 100 */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["File"][];
                        next: string | null;
                    };
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    uploadFile: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "multipart/form-data": {
                    /**
                     * Format: binary
                     * @description the bytes
                     */
                    file: string;
                    /**
                     * @description branches that must not read it; repeatable
                     * @example []
                     */
                    denied?: string[];
                    /**
                     * @description the only branches that may read it; repeatable
                     * @example []
                     */
                    only?: string[];
                    /**
                     * @description instead of the file name of the part
                     * @example
                     */
                    name?: string;
                    /**
                     * @description media type; guessed from the name when absent
                     * @example
                     */
                    type?: string;
                    /**
                     * @description campaign
                     * @example
                     */
                    campaign?: string;
                    /**
                     * @description tags; repeatable
                     * @example []
                     */
                    tag?: string[];
                };
            };
        };
        responses: {
            /** @description The answer */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["File"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getFile: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description a file: id, unique id prefix (6+), or exact name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["File"] & {
                        seenBy: components["schemas"]["SeenBy"];
                    };
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    updateFile: {
        parameters: {
            query?: never;
            header?: {
                /** @description only if the present version is this one, e.g. `"3"` */
                "if-match"?: string;
            };
            path: {
                /** @description a file: id, unique id prefix (6+), or exact name */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "multipart/form-data": {
                    /**
                     * Format: binary
                     * @description the bytes
                     */
                    file: string;
                    /**
                     * @description instead of the file name of the part
                     * @example
                     */
                    name?: string;
                    /**
                     * @description media type; guessed from the name when absent
                     * @example
                     */
                    type?: string;
                    /**
                     * @description campaign
                     * @example
                     */
                    campaign?: string;
                    /**
                     * @description tags; repeatable
                     * @example []
                     */
                    tag?: string[];
                };
            };
        };
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["File"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    deleteFile: {
        parameters: {
            query?: {
                purge?: boolean;
            };
            header?: {
                /** @description only if the present version is this one, e.g. `"3"` */
                "if-match"?: string;
            };
            path: {
                /** @description a file: id, unique id prefix (6+), or exact name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listVersions: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description a file: id, unique id prefix (6+), or exact name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["Version"][];
                    };
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    fetchFile: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description a file: id, unique id prefix (6+), or exact name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /** @example {} */
                "application/json": {
                    version?: number;
                };
            };
        };
        responses: {
            /** @description The answer */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Transfer"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    restoreFile: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description a file: id, unique id prefix (6+), or exact name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /** @example {} */
                "application/json": {
                    version?: number;
                };
            };
        };
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["File"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    waitForFile: {
        parameters: {
            query: {
                level: "durable" | "replicated";
                /** @description seconds, then `504 timeout`; default: none */
                timeout?: number;
            };
            header?: never;
            path: {
                /** @description a file: id, unique id prefix (6+), or exact name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["File"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getContent: {
        parameters: {
            query?: {
                version?: number;
            };
            header?: {
                /** @description one range of bytes */
                range?: string;
                "if-range"?: string;
                "if-match"?: string;
                "if-none-match"?: string;
            };
            path: {
                /** @description a file: id, unique id prefix (6+), or exact name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The whole content */
            200: {
                headers: {
                    /** @description changes with the content */
                    ETag?: string;
                    /** @description always an attachment, with the name */
                    "Content-Disposition"?: string;
                    /** @description `bytes` */
                    "Accept-Ranges"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "*/*": string;
                };
            };
            /** @description The range */
            206: {
                headers: {
                    /** @description changes with the content */
                    ETag?: string;
                    /** @description always an attachment, with the name */
                    "Content-Disposition"?: string;
                    /** @description `bytes` */
                    "Accept-Ranges"?: string;
                    /** @description which bytes of how many */
                    "Content-Range"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "*/*": string;
                };
            };
            /** @description Not modified */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    headContent: {
        parameters: {
            query?: {
                version?: number;
            };
            header?: {
                /** @description one range of bytes */
                range?: string;
                "if-range"?: string;
                "if-match"?: string;
                "if-none-match"?: string;
            };
            path: {
                /** @description a file: id, unique id prefix (6+), or exact name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The whole content */
            200: {
                headers: {
                    /** @description changes with the content */
                    ETag?: string;
                    /** @description always an attachment, with the name */
                    "Content-Disposition"?: string;
                    /** @description `bytes` */
                    "Accept-Ranges"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description The range */
            206: {
                headers: {
                    /** @description changes with the content */
                    ETag?: string;
                    /** @description always an attachment, with the name */
                    "Content-Disposition"?: string;
                    /** @description `bytes` */
                    "Accept-Ranges"?: string;
                    /** @description which bytes of how many */
                    "Content-Range"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Not modified */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getPreview: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description a file: id, unique id prefix (6+), or exact name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A small picture */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "image/*": string;
                };
            };
            /** @description The file has no preview */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listBlacklist: {
        parameters: {
            query?: {
                /** @description a file: id, unique id prefix (6+), or exact name */
                file?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: {
                            fileId: string;
                            /** @description PeerId */
                            node: string;
                        }[];
                    };
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    denyNode: {
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
                 *       "fileId": "cartaz.png",
                 *       "node": "Recife"
                 *     }
                 */
                "application/json": {
                    /** @description a file: id, unique id prefix (6+), or exact name */
                    fileId: string;
                    /** @description one node, or several at once: one change of the file, whoever is named */
                    node: string | string[];
                    /** @description also seal the present version anew, so that copies with the old key are dropped */
                    reseal?: boolean;
                };
            };
        };
        responses: {
            /** @description The answer */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        fileId: string;
                        /** @description PeerId, of the first that was named */
                        node: string;
                        file: components["schemas"]["File"];
                    };
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    setBlacklist: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description a file: id, unique id prefix (6+), or exact name */
                fileId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "nodes": [
                 *         "Recife",
                 *         "Natal"
                 *       ]
                 *     }
                 */
                "application/json": {
                    nodes: string[];
                    /** @description also seal the present version anew, so that copies with the old key are dropped */
                    reseal?: boolean;
                };
            };
        };
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: {
                            fileId: string;
                            /** @description PeerId */
                            node: string;
                        }[];
                        file: components["schemas"]["File"];
                    };
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    allowNode: {
        parameters: {
            query?: {
                /** @description one node, or several at once: one change of the file, whoever is named */
                node?: string | string[];
                all?: boolean;
                /** @description also seal the present version anew, so that copies with the old key are dropped */
                reseal?: boolean;
            };
            header?: never;
            path: {
                /** @description a file: id, unique id prefix (6+), or exact name */
                fileId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listHandoffs: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        incoming: components["schemas"]["File"][];
                        outgoing: components["schemas"]["File"][];
                    };
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    offerFile: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description a file: id, unique id prefix (6+), or exact name */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "to": "Recife"
                 *     }
                 */
                "application/json": {
                    /** @description a node: branch name, PeerId, or a unique prefix of it (6+) */
                    to: string;
                };
            };
        };
        responses: {
            /** @description The answer */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["File"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    cancelOffer: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description a file: id, unique id prefix (6+), or exact name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["File"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    acceptOffer: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description a file: id, unique id prefix (6+), or exact name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /** @example {} */
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["File"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    declineOffer: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description a file: id, unique id prefix (6+), or exact name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /** @example {} */
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description Done */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    adoptFile: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description a file: id, unique id prefix (6+), or exact name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /** @example {} */
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["File"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    assignFile: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description a file: id, unique id prefix (6+), or exact name */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "to": "Recife"
                 *     }
                 */
                "application/json": {
                    /** @description a node: branch name, PeerId, or a unique prefix of it (6+) */
                    to: string;
                };
            };
        };
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["File"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listTransfers: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["Transfer"][];
                    };
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getTransfer: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Transfer"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    cancelTransfer: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Transfer"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    setTransferState: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "state": "paused"
                 *     }
                 */
                "application/json": {
                    state?: "paused" | "running";
                    /** @enum {boolean} */
                    first?: true;
                };
            };
        };
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Transfer"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getLimits: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Limits"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    setLimits: {
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
                 *       "up": 10000000,
                 *       "down": null
                 *     }
                 */
                "application/json": {
                    up?: number | null;
                    down?: number | null;
                };
            };
        };
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Limits"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listEntries: {
        parameters: {
            query?: {
                after?: number;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["LedgerEntry"][];
                        /** @description `after` of the next page */
                        next: number | null;
                    };
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getDigest: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Digest"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    verifyLedger: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Verification"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    repairLedger: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                /** @example {} */
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Verification"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getStatus: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Status"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    runDoctor: {
        parameters: {
            query?: {
                /** @description look through the whole store first, which takes as long as reading it */
                chunks?: boolean;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["DoctorCheck"][];
                    };
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getMetrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Prometheus text exposition */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
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
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @enum {string} */
                        status: "ok";
                    };
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    prove: {
        parameters: {
            query: {
                /** @description 32 fresh random bytes, hex */
                nonce: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        proof: string;
                    };
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    createSessionCode: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                /** @example {} */
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description The answer */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        code: string;
                        /** Format: date-time */
                        expires: string;
                    };
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    createSession: {
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
                 *       "code": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
                 *     }
                 */
                "application/json": {
                    code: string;
                };
            };
        };
        responses: {
            /** @description Signed in */
            204: {
                headers: {
                    /** @description the session */
                    "Set-Cookie"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    endSession: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Signed out */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    streamEvents: {
        parameters: {
            query?: {
                /** @description the same as the header */
                lastEventId?: number;
                /** @description only these, comma-separated */
                types?: string;
            };
            header?: {
                "last-event-id"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The stream */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    stopNode: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                /** @example {} */
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description The answer */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @enum {string} */
                        state: "stopping";
                    };
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getDocument: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        [key: string]: unknown;
                    };
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem document (RFC 9457); `code` says which */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
}
