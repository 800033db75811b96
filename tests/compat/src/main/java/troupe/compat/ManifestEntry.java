package troupe.compat;

import com.alibaba.fastjson.JSONObject;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.rocketmq.common.sysflag.MessageSysFlag;

/** One line of a manifest: what a message must look like. */
record ManifestEntry(JSONObject fields) {
  /** Says where a message came from; not a field of the record. */
  private static final String KIND = "kind";

  String topic() {
    return fields.getString("topic");
  }

  int queueId() {
    return fields.getIntValue("queueId");
  }

  long queueOffset() {
    return fields.getLongValue("queueOffset");
  }

  long physOffset() {
    return fields.getLongValue("physOffset");
  }

  long end() {
    return physOffset() + fields.getIntValue("size");
  }

  long storeTimestamp() {
    return fields.getLongValue("storeTimestamp");
  }

  /** Prepared and rolled back messages are in the log only. */
  boolean queued() {
    int type = MessageSysFlag.getTransactionValue(fields.getIntValue("sysFlag"));
    return type == MessageSysFlag.TRANSACTION_NOT_TYPE
        || type == MessageSysFlag.TRANSACTION_COMMIT_TYPE;
  }

  /** The keys under which the index must find the message: UNIQ_KEY and each word of KEYS. */
  Set<String> indexKeys() {
    Set<String> keys = new LinkedHashSet<>();
    int type = MessageSysFlag.getTransactionValue(fields.getIntValue("sysFlag"));
    if (type == MessageSysFlag.TRANSACTION_ROLLBACK_TYPE) {
      return keys;
    }
    if (fields.getString("uniqKey") != null) {
      keys.add(fields.getString("uniqKey"));
    }
    if (fields.getString("keys") != null) {
      keys.addAll(List.of(fields.getString("keys").split(" ")));
    }
    keys.remove("");
    return keys;
  }

  /** Names the fields in which `actual` is not what this line says, with both values. */
  String differences(JSONObject actual, Set<String> ignoredProperties) {
    StringBuilder text = new StringBuilder();
    for (String name : new TreeSet<>(fields.keySet())) {
      if (name.equals(KIND)) {
        continue;
      }
      Object wanted = comparable(fields.get(name), Set.of());
      Object found = comparable(actual.get(name), ignoredProperties);
      if (!actual.containsKey(name)) {
        text.append("; no field ").append(name);
      } else if (!Objects.equals(wanted, found)) {
        text.append("; ").append(name).append(" is ").append(found);
        text.append(", should be ").append(wanted);
      }
    }
    return text.isEmpty() ? "" : text.substring(2);
  }

  String place() {
    return "%s queue %d offset %d (log %d)"
        .formatted(topic(), queueId(), queueOffset(), physOffset());
  }

  /** Numbers as long, maps sorted: 1 and 1L, and two orders of properties, are the same. */
  private static Object comparable(Object value, Set<String> ignoredKeys) {
    if (value instanceof Map<?, ?> map) {
      Map<String, String> sorted = new TreeMap<>();
      map.forEach((k, v) -> sorted.put(k.toString(), Objects.toString(v)));
      sorted.keySet().removeAll(ignoredKeys);
      return sorted;
    }
    return value instanceof Number number ? (Object) number.longValue() : value;
  }
}
