# What R says of made_up_votes.csv (60 items, 4 votes each; our own made-up data) and of small tables, for
# tests/analysis. Printed to preferences.json by
#   cd tests/references && Rscript preferences.R > preferences.json
suppressMessages({ library(lme4); library(sandwich) })
votes <- read.csv("made_up_votes.csv")
votes$won <- as.integer(votes$vote == 1)

# Bradley-Terry with the side and the log length ratio as covariates, variance over items.
contrast <- function(name) (votes$system_b == name) - (votes$system_a == name)
votes$large <- contrast("large")
votes$tuned <- contrast("tuned")
votes$side <- ifelse(votes$left == "b", 1, -1)
votes$ratio <- log(votes$words_b / votes$words_a)
fit <- glm(won ~ 0 + large + tuned + side + ratio, binomial, votes, control = list(epsilon = 1e-14))
robust <- vcovCL(fit, cluster = votes$item, type = "HC0", cadjust = TRUE)

# Choice on the length ratio alone.
slope <- glm(won ~ 0 + ratio, binomial, votes, control = list(epsilon = 1e-14))
slope_robust <- vcovCL(slope, cluster = votes$item, type = "HC0", cadjust = TRUE)

# The left side by worker: a random intercept, adaptive quadrature with 25 nodes.
votes$chose_left <- as.integer((votes$vote == 1) == (votes$left == "b"))
mixed <- glmer(chose_left ~ 1 + (1 | worker), votes, binomial, nAGQ = 25, control = glmerControl(tolPwrss = 1e-12))
plain <- glm(chose_left ~ 1, binomial, votes)
ratio <- 2 * (as.numeric(logLik(mixed)) - as.numeric(logLik(plain)))

# Five raters who rank four completions, with ties.
ranks <- rbind(c(1, 2, 3, 4), c(2, 1, 3, 4), c(1, 3, 2, 4), c(1.5, 1.5, 3.5, 3.5), c(1, 2.5, 2.5, 4))
friedman <- unname(friedman.test(ranks)$statistic)

number <- function(x) sprintf("%.12g", x)
list_of <- function(x) paste0("[", paste(number(x), collapse = ", "), "]")
entries <- c(
  versions = paste0('"', R.version.string, ", lme4 ", packageVersion("lme4"), ", sandwich ", packageVersion("sandwich"), '"'),
  bradley_terry = list_of(coef(fit)),
  bradley_terry_errors = list_of(sqrt(diag(robust))),
  bradley_terry_large_tuned_covariance = number(robust[1, 2]),
  slope = number(coef(slope)),
  slope_error = number(sqrt(slope_robust[1, 1])),
  side_mean = number(fixef(mixed)),
  side_error = number(sqrt(vcov(mixed)[1, 1])),
  side_spread = number(attr(VarCorr(mixed)$worker, "stddev")),
  side_spread_p = number(pchisq(ratio, 1, lower.tail = FALSE) / 2),
  mcnemar_few = number(binom.test(7, 8)$p.value),
  mcnemar_many = number(mcnemar.test(matrix(c(794, 86, 150, 570), 2), correct = FALSE)$p.value),
  friedman_w = number(friedman / (5 * 3))
)
cat("{\n", paste0('  "', names(entries), '": ', entries, collapse = ",\n"), "\n}\n", sep = "")
