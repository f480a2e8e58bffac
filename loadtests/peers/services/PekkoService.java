// Pekko's contestant: an event-sourced account in cluster sharding, its journal in PostgreSQL, behind Pekko HTTP.
// A retry is known by the last ids of the account, which stand in its state; Pekko itself promises none of that.

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletionStage;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.cluster.sharding.typed.javadsl.ClusterSharding;
import org.apache.pekko.cluster.sharding.typed.javadsl.Entity;
import org.apache.pekko.cluster.sharding.typed.javadsl.EntityTypeKey;
import org.apache.pekko.cluster.typed.Cluster;
import org.apache.pekko.cluster.typed.Join;
import org.apache.pekko.http.javadsl.Http;
import org.apache.pekko.http.javadsl.model.ContentTypes;
import org.apache.pekko.http.javadsl.model.HttpEntities;
import org.apache.pekko.http.javadsl.server.AllDirectives;
import org.apache.pekko.http.javadsl.server.PathMatchers;
import org.apache.pekko.http.javadsl.server.Route;
import org.apache.pekko.persistence.jdbc.testkit.javadsl.SchemaUtils;
import org.apache.pekko.persistence.typed.PersistenceId;
import org.apache.pekko.persistence.typed.javadsl.CommandHandlerWithReply;
import org.apache.pekko.persistence.typed.javadsl.EventHandler;
import org.apache.pekko.persistence.typed.javadsl.EventSourcedBehaviorWithEnforcedReplies;
import org.apache.pekko.persistence.typed.javadsl.RetentionCriteria;

public final class PekkoService extends AllDirectives {
    static final EntityTypeKey<Command> ACCOUNT = EntityTypeKey.create(Command.class, "account");
    static final int IDS_MAX = 64;

    interface Stored {}

    interface Command extends Stored {}

    static final class Pay implements Command {
        public final String id;
        public final long amount;
        public final ActorRef<Balance> replyTo;

        @JsonCreator
        Pay(@JsonProperty("id") String id, @JsonProperty("amount") long amount,
            @JsonProperty("replyTo") ActorRef<Balance> replyTo) {
            this.id = id;
            this.amount = amount;
            this.replyTo = replyTo;
        }
    }

    static final class Read implements Command {
        public final ActorRef<Balance> replyTo;

        @JsonCreator
        Read(@JsonProperty("replyTo") ActorRef<Balance> replyTo) {
            this.replyTo = replyTo;
        }
    }

    static final class Balance implements Stored {
        public final long balance;

        @JsonCreator
        Balance(@JsonProperty("balance") long balance) {
            this.balance = balance;
        }
    }

    static final class Paid implements Stored {
        public final String id;
        public final long amount;

        @JsonCreator
        Paid(@JsonProperty("id") String id, @JsonProperty("amount") long amount) {
            this.id = id;
            this.amount = amount;
        }
    }

    static final class State implements Stored {
        public final long balance;
        public final LinkedHashMap<String, Long> ids;

        @JsonCreator
        State(@JsonProperty("balance") long balance, @JsonProperty("ids") LinkedHashMap<String, Long> ids) {
            this.balance = balance;
            this.ids = ids;
        }
    }

    static final class Account extends EventSourcedBehaviorWithEnforcedReplies<Command, Paid, State> {
        Account(String key) {
            super(PersistenceId.of(ACCOUNT.name(), key));
        }

        @Override
        public State emptyState() {
            return new State(0, new LinkedHashMap<>());
        }

        @Override
        public CommandHandlerWithReply<Command, Paid, State> commandHandler() {
            return newCommandHandlerWithReplyBuilder().forAnyState()
                .onCommand(Pay.class, (state, pay) -> state.ids.containsKey(pay.id)
                    ? Effect().reply(pay.replyTo, new Balance(state.ids.get(pay.id)))
                    : Effect().persist(new Paid(pay.id, pay.amount))
                        .thenReply(pay.replyTo, after -> new Balance(after.balance)))
                .onCommand(Read.class, (state, read) -> Effect().reply(read.replyTo, new Balance(state.balance)))
                .build();
        }

        @Override
        public EventHandler<State, Paid> eventHandler() {
            return newEventHandlerBuilder().forAnyState().onEvent(Paid.class, (state, paid) -> {
                LinkedHashMap<String, Long> ids = new LinkedHashMap<>(state.ids);
                if (ids.size() == IDS_MAX) {
                    ids.remove(ids.keySet().iterator().next());
                }
                ids.put(paid.id, state.balance + paid.amount);
                return new State(state.balance + paid.amount, ids);
            }).build();
        }

        @Override
        public RetentionCriteria retentionCriteria() {
            return RetentionCriteria.snapshotEvery(1_000, 2);
        }
    }

    private final ClusterSharding sharding;

    private PekkoService(ActorSystem<?> system) {
        sharding = ClusterSharding.get(system);
        sharding.init(Entity.of(ACCOUNT, context -> new Account(context.getEntityId())));
    }

    private Route routes() {
        Duration patience = Duration.ofSeconds(10);
        return pathPrefix("Account", () -> pathPrefix(PathMatchers.segment(), key -> concat(
            path("pay", () -> post(() -> headerValueByName("idempotency-key", id -> answer(
                sharding.entityRefFor(ACCOUNT, key).<Balance>ask(replyTo -> new Pay(id, 1, replyTo), patience))))),
            path("balance", () -> post(() -> answer(
                sharding.entityRefFor(ACCOUNT, key).<Balance>ask(Read::new, patience)))))));
    }

    private Route answer(CompletionStage<Balance> balance) {
        return onSuccess(balance, found -> extractRequest(request -> complete(
            HttpEntities.create(ContentTypes.APPLICATION_JSON, "{\"balance\":" + found.balance + "}"))));
    }

    public static void main(String[] arguments) throws Exception {
        Config settings = ConfigFactory.parseMap(Map.of(
            "pekko-persistence-jdbc.shared-databases.slick.db.url", arguments[1],
            "pekko.actor.provider", "cluster",
            "pekko.remote.artery.canonical.hostname", "127.0.0.1",
            "pekko.remote.artery.canonical.port", 0,
            "pekko.persistence.journal.plugin", "jdbc-journal",
            "pekko.persistence.snapshot-store.plugin", "jdbc-snapshot-store"
        )).withFallback(ConfigFactory.parseString(SLICK)).withFallback(ConfigFactory.load()).resolve();
        ActorSystem<Void> system = ActorSystem.create(Behaviors.empty(), "peers", settings);
        SchemaUtils.createIfNotExists(system).toCompletableFuture().get();
        Cluster cluster = Cluster.get(system);
        cluster.manager().tell(Join.create(cluster.selfMember().address()));
        Http.get(system).newServerAt("127.0.0.1", Integer.parseInt(arguments[0])).bind(new PekkoService(system).routes());
    }

    static final String SLICK = """
        pekko-persistence-jdbc.shared-databases.slick {
          profile = "slick.jdbc.PostgresProfile$"
          db {
            driver = "org.postgresql.Driver", user = "peers", password = ""
            numThreads = 10, maxConnections = 10, minConnections = 10
          }
        }
        pekko.loglevel = WARNING
        pekko.actor.serialization-bindings { "PekkoService$Stored" = jackson-cbor }
        jdbc-journal.use-shared-db = "slick"
        jdbc-snapshot-store.use-shared-db = "slick"
        """;
}
