package troupe.compat;

import com.alibaba.fastjson.JSON;
import com.alibaba.fastjson.JSONObject;
import com.alibaba.fastjson.parser.Feature;
import com.alibaba.fastjson.serializer.SerializerFeature;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;

/** Lists of messages as {@code troupe store dump} prints them, in the order of the log. */
final class Manifest {
  private Manifest() {}

  static List<ManifestEntry> read(Path file) throws IOException {
    List<ManifestEntry> entries = new ArrayList<>();
    try (BufferedReader reader = Files.newBufferedReader(file)) {
      String line;
      for (int number = 1; (line = reader.readLine()) != null; number++) {
        JSONObject fields = JSON.parseObject(line, Feature.DisableSpecialKeyDetect);
        checkBody(fields, file + ":" + number);
        entries.add(new ManifestEntry(fields));
      }
    }
    entries.sort((a, b) -> Long.compare(a.physOffset(), b.physOffset()));
    return entries;
  }

  static String line(Map<String, Object> fields) {
    return JSON.toJSONString(
        fields,
        SerializerFeature.WriteMapNullValue,
        SerializerFeature.DisableCircularReferenceDetect);
  }

  /** The manifest's fields of a message that the store handed out. */
  static JSONObject describe(MessageExt message) {
    JSONObject fields = new JSONObject(true);
    fields.put("topic", message.getTopic());
    fields.put("queueId", message.getQueueId());
    fields.put("queueOffset", message.getQueueOffset());
    fields.put("physOffset", message.getCommitLogOffset());
    fields.put("size", message.getStoreSize());
    fields.put("storeTimestamp", message.getStoreTimestamp());
    fields.put("bornTimestamp", message.getBornTimestamp());
    fields.put("bornHost", host(message.getBornHost()));
    fields.put("storeHost", host(message.getStoreHost()));
    fields.put("sysFlag", message.getSysFlag());
    fields.put("flag", message.getFlag());
    fields.put("reconsumeTimes", message.getReconsumeTimes());
    fields.put("preparedTransactionOffset", message.getPreparedTransactionOffset());
    fields.put("tags", message.getTags());
    fields.put("keys", message.getKeys());
    fields.put(
        "uniqKey", message.getProperty(MessageConst.PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX));
    fields.put("properties", new TreeMap<>(message.getProperties()));
    byte[] body = message.getBody() == null ? new byte[0] : message.getBody();
    fields.put("bodyCrc", message.getBodyCRC());
    fields.put("bodyLen", body.length);
    fields.put("bodySha256", sha256(body));
    fields.put("msgId", message.getMsgId());
    return fields;
  }

  static String sha256(byte[] bytes) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-256", e);
    }
  }

  static String host(SocketAddress address) {
    InetSocketAddress host = (InetSocketAddress) address;
    return host.getAddress().getHostAddress() + ":" + host.getPort();
  }

  /** Checks the body against its own sum, and drops it: the sum is what gets compared. */
  private static void checkBody(JSONObject fields, String where) throws IOException {
    String body = (String) fields.remove("body");
    if (body == null) {
      return;
    }
    String sum = sha256(Base64.getDecoder().decode(body));
    if (!sum.equals(fields.getString("bodySha256"))) {
      throw new IOException(where + ": bodySha256 is not the sum of body");
    }
  }
}
