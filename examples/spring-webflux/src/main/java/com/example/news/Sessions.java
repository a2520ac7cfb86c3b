package com.example.news;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.UUID;
import org.springframework.stereotype.Component;

/** Who is logged in, in memory. */
@Component
class Sessions {

    private static final int MAX_SESSIONS = 10_000;

    /** The session cookie's value -> the user. The oldest goes when there are too many. */
    private final Map<String, String> users = Collections.synchronizedMap(new LinkedHashMap<>() {
        @Override
        protected boolean removeEldestEntry(Map.Entry<String, String> eldest) {
            return size() > MAX_SESSIONS;
        }
    });

    /** Gives the new session's id. */
    String open(String user) {
        String id = UUID.randomUUID().toString();
        users.put(id, user);
        return id;
    }

    /** The session's user, or null if there is no such session. */
    String user(String id) {
        return users.get(id);
    }
}
