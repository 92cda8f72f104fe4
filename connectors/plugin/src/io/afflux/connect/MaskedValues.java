package io.afflux.connect;

import io.debezium.spi.converter.CustomConverter;
import io.debezium.spi.converter.RelationalColumn;
import java.util.Properties;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.errors.DataException;

/**
 * Does what {@link ExactValues} does, and masks columns, so that their clear values never reach Kafka.
 *
 * <p>In a connector's configuration: {@code afflux.masks.<schema>.<table>.<column>=hash}, and the key of hashes in
 * {@code afflux.masking.secret}. A class of its own, so that a worker with an older plugin can't start the connector
 * instead of handing the values over in clear. A column whose type has no such mask is handed over as NULL, and the
 * sink, which reads the mask in the schema, refuses its table.
 */
public final class MaskedValues implements CustomConverter<SchemaBuilder, RelationalColumn> {

    private static final String MASKS = "masks.";
    private static final String SECRET = "masking.secret";

    private final ExactValues exact = new ExactValues();
    private Properties settings = new Properties();

    @Override
    public void configure(Properties properties) {
        exact.configure(properties);
        settings = properties;
        for (String name : properties.stringPropertyNames()) {
            if (name.startsWith(MASKS)) {
                of(name.substring(MASKS.length()));  // what is wrong is said at the start
            }
        }
    }

    @Override
    public void converterFor(RelationalColumn column, ConverterRegistration<SchemaBuilder> registration) {
        String name = column.dataCollection() + "." + column.name();
        if (settings.getProperty(MASKS + name) == null) {
            exact.converterFor(column, registration);
            return;
        }
        Mask mask = of(name);
        boolean empty = mask.removes() || !mask.fits(column.nativeType());
        SchemaBuilder schema =
                ExactValues.marked(SchemaBuilder.string(), column).parameter("afflux.mask", mask.toString());
        ExactValues.register(column, registration, schema, empty ? null : ExactValues.UNCHANGED, value -> {
            try {
                return empty ? null : mask.apply(value);
            } catch (RuntimeException e) {
                // Without its cause, whose words might quote the value.
                throw new DataException("it can't be masked (" + value.getClass().getName() + ")");
            }
        });
    }

    private Mask of(String column) {
        return Mask.of(column, settings.getProperty(MASKS + column), settings.getProperty(SECRET));
    }
}
