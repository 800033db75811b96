package troupe.interop;

import static troupe.interop.Interop.await;
import static troupe.interop.Interop.check;
import static troupe.interop.Interop.keys;
import static troupe.interop.Interop.list;
import static troupe.interop.Interop.message;
import static troupe.interop.Interop.names;
import static troupe.interop.Interop.run;
import static troupe.interop.Interop.scenario;
import static troupe.interop.Interop.stored;
import static troupe.interop.Interop.unique;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.rocketmq.acl.common.AclClientRPCHook;
import org.apache.rocketmq.acl.common.SessionCredentials;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragely;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.RPCHook;

/** A node that asks who comes: access keys (accounts are made by ../run) and TLS. */
final class Guarded {
  private static final int NO_PERMISSION = 16;
  private static String secret;

  private Guarded() {}

  static void scenarios(String secretOfTheAccount) {
    secret = secretOfTheAccount;
    scenario("with its key a client sends, consumes, and tries again", Guarded::allowed);
    scenario("who has no key is refused", () -> refused(null, "open"));
    scenario("a wrong secret is refused", () -> refused(hook("interop", "wrong-secret"), "open"));
    scenario("an unknown key is refused", () -> refused(hook("nobody-here", secret), "open"));
    scenario("a topic that an account has not is refused",
        () -> refused(hook("interop", secret), "closed"));
    scenario("a topic that it may read alone is refused",
        () -> refused(hook("interop", secret), "readable"));
    scenario("a group that it has not gets nothing", Guarded::otherGroup);
  }

  /** With tls.enable: what every program does, at a node that takes nothing else. */
  static void encrypted() {
    scenario("encrypted: sends, consumes, and tries again", () -> {
      secret = null;
      allowed();
    });
  }

  static void closedToPlain() {
    scenario("without TLS nothing is sent", () -> {
      boolean failed = false;
      DefaultMQProducer producer = producer(null);
      try {
        producer.send(message("open", "t", 3));
      } catch (Exception e) {
        failed = true;
      }
      producer.shutdown();
      check(failed, "it was sent");
    });
  }

  private static RPCHook hook(String key, String secret) {
    return secret == null ? null : new AclClientRPCHook(new SessionCredentials(key, secret));
  }

  private static DefaultMQProducer producer(RPCHook hook) throws Exception {
    DefaultMQProducer producer =
        new DefaultMQProducer("P-" + run + "-" + unique.incrementAndGet(), hook);
    producer.setNamesrvAddr(names);
    producer.setInstanceName("i" + unique.incrementAndGet());
    producer.setRetryTimesWhenSendFailed(0);
    producer.start();
    return producer;
  }

  private static DefaultMQPushConsumer consumer(String group, RPCHook hook) throws Exception {
    DefaultMQPushConsumer consumer =
        new DefaultMQPushConsumer(group, hook, new AllocateMessageQueueAveragely());
    consumer.setNamesrvAddr(names);
    consumer.setInstanceName("i" + unique.incrementAndGet());
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    return consumer;
  }

  private static void allowed() throws Exception {
    DefaultMQProducer producer = producer(hook("interop", secret));
    Set<String> all = new HashSet<>();
    for (int i = 0; i < 50; ++i) {
      Message m = message("open", run, i == 9 ? 300_000 : i);
      stored(producer.send(m));
      all.add(m.getKeys());
    }
    List<MessageExt> got = list();
    List<Integer> tries = list();
    DefaultMQPushConsumer consumer = consumer("readers", hook("interop", secret));
    consumer.subscribe("open", run);
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      MessageExt m = messages.get(0);
      if (m.getKeys().endsWith("0-" + run)) { // some of them: an account that may try again
        tries.add(m.getReconsumeTimes());
        if (m.getReconsumeTimes() == 0) {
          return ConsumeConcurrentlyStatus.RECONSUME_LATER;
        }
      }
      got.addAll(messages);
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    consumer.start();
    await("all came", () -> keys(got).equals(all));
    check(tries.contains(1), "none was tried again: " + tries);
    consumer.shutdown();
    producer.shutdown();
  }

  private static void refused(RPCHook hook, String topic) throws Exception {
    DefaultMQProducer producer = producer(hook);
    int code = 0;
    try {
      stored(producer.send(message(topic, "t", 3)));
    } catch (MQClientException e) { // "failed once", with what the broker said as its cause
      code = e.getCause() instanceof MQBrokerException said ? said.getResponseCode() : -1;
    } catch (MQBrokerException e) {
      code = e.getResponseCode();
    }
    producer.shutdown();
    check(code == NO_PERMISSION, "code " + code);
  }

  /** Its consumer is refused, and goes on as soon as it may: nothing is lost by it. */
  private static void otherGroup() throws Exception {
    List<MessageExt> got = list();
    DefaultMQPushConsumer consumer = consumer("strangers", hook("interop", secret));
    consumer.subscribe("open", "*");
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      got.addAll(messages);
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    boolean told = false;
    try {
      consumer.start();
      Thread.sleep(3000); // long enough for a pull that is not refused
    } catch (Exception e) {
      told = true;
    }
    consumer.shutdown();
    check(got.isEmpty(), "it got " + got.size() + ", told " + told);
  }
}
