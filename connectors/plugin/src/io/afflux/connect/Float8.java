package io.afflux.connect;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;

/** Doubles as PostgreSQL 12 and newer writes them: the fewest digits that lie nearer to it than to any other. */
final class Float8 {

    private static final int MOST_DIGITS = 17;
    private static final BigDecimal TWO = BigDecimal.valueOf(2);

    private Float8() {}

    static String text(double value) {
        if (Double.isNaN(value)) {
            return "NaN";
        }
        if (Double.isInfinite(value)) {
            return value > 0 ? "Infinity" : "-Infinity";
        }
        String sign = Double.doubleToRawLongBits(value) < 0 ? "-" : "";
        return value == 0 ? sign + "0" : sign + laidOut(shortest(Math.abs(value)));
    }

    private static BigDecimal shortest(double value) {
        BigDecimal exact = new BigDecimal(value);
        double next = Math.nextUp(value);
        BigDecimal gap = Double.isInfinite(next)
                ? exact.subtract(new BigDecimal(Math.nextDown(value)))
                : new BigDecimal(next).subtract(exact);
        BigDecimal above = exact.add(gap.divide(TWO));
        BigDecimal below = exact.add(new BigDecimal(Math.nextDown(value))).divide(TWO);
        for (int digits = 1; digits < MOST_DIGITS; digits++) {
            BigDecimal down = exact.round(new MathContext(digits, RoundingMode.DOWN));
            BigDecimal up = exact.round(new MathContext(digits, RoundingMode.UP));
            // As in PostgreSQL, a number half way between two doubles stands for neither.
            boolean downFits = down.compareTo(below) > 0;
            boolean upFits = up.compareTo(above) < 0;
            if (downFits && upFits) {
                return exact.round(new MathContext(digits, RoundingMode.HALF_EVEN));
            }
            if (downFits || upFits) {
                return downFits ? down : up;
            }
        }
        return exact.round(new MathContext(MOST_DIGITS, RoundingMode.HALF_EVEN));
    }

    private static String laidOut(BigDecimal number) {
        BigDecimal stripped = number.stripTrailingZeros();
        String digits = stripped.unscaledValue().toString();
        int exponent = digits.length() - 1 - stripped.scale();
        if (exponent >= -4 && exponent < 15) {
            return stripped.toPlainString();
        }
        StringBuilder text = new StringBuilder(digits);
        if (digits.length() > 1) {
            text.insert(1, '.');
        }
        text.append(exponent < 0 ? "e-" : "e+").append(Math.abs(exponent) < 10 ? "0" : "");
        return text.append(Math.abs(exponent)).toString();
    }
}
