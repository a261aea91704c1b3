# Group tests by R, as a second opinion on analysis/. Written for R 4.2.2 with emmeans 1.8.4-1, multcomp 1.4-22 and
# jsonlite 1.8.4; the versions that were used stand in the output. From the root of the repository:
#
#   Rscript tests/references/group_tests.R > tests/references/group_tests.json

suppressPackageStartupMessages({
  library(emmeans)
  library(multcomp)
  library(jsonlite)
})

pairs_of <- function(names) t(combn(sort(as.character(names)), 2))

# Games & Howell (1976), from its definition with R's studentised range.
games_howell <- function(value, group) {
  m <- tapply(value, group, mean); v <- tapply(value, group, var); n <- tapply(value, group, length)
  k <- length(m)
  do.call(rbind, apply(pairs_of(names(m)), 1, function(pair) {
    i <- pair[1]; j <- pair[2]
    e <- v[[i]] / n[[i]] + v[[j]] / n[[j]]
    df <- e^2 / ((v[[i]] / n[[i]])^2 / (n[[i]] - 1) + (v[[j]] / n[[j]])^2 / (n[[j]] - 1))
    d <- m[[j]] - m[[i]]
    half <- qtukey(.95, k, df) * sqrt(e / 2)
    data.frame(first = i, second = j, difference = d, low = d - half, high = d + half,
               p_value = ptukey(abs(d) / sqrt(e / 2), k, df, lower.tail = FALSE))
  }))
}

# Dunn (1964) with the correction for ties; p by R's Holm.
dunn <- function(value, group) {
  r <- rank(value); n <- tapply(r, group, length); m <- tapply(r, group, mean)
  N <- length(r); ties <- table(value)
  variance <- N * (N + 1) / 12 - sum(ties^3 - ties) / (12 * (N - 1))
  rows <- do.call(rbind, apply(pairs_of(names(m)), 1, function(pair) {
    d <- m[[pair[2]]] - m[[pair[1]]]
    z <- d / sqrt(variance * (1 / n[[pair[1]]] + 1 / n[[pair[2]]]))
    data.frame(first = pair[1], second = pair[2], difference = d, p_single = 2 * pnorm(-abs(z)))
  }))
  rows$p_value <- p.adjust(rows$p_single, "holm")
  rows
}

noncentral <- function(f, df1, df2) {
  limit <- function(level) {
    if (pf(f, df1, df2) < level) return(0)
    uniroot(function(ncp) pf(f, df1, df2, ncp) - level, c(0, 2000), tol = 1e-12)$root
  }
  c(limit(.975), limit(.025))
}

tukey_rows <- function(contrasts) {
  ends <- as.data.frame(confint(contrasts)); tests <- as.data.frame(contrasts)
  data.frame(contrast = as.character(tests$contrast), difference = ends$estimate, low = ends$lower.CL, high = ends$upper.CL,
             p_value = tests$p.value)
}

# 1. One-way: R's chickwts (weights of chicks by feed, unequal n).
chicks <- data.frame(group = as.character(chickwts$feed), value = chickwts$weight)
fit <- aov(value ~ factor(group), chicks)
f <- anova(fit)[1, "F value"]
welch <- oneway.test(value ~ group, chicks)
deviations <- abs(chicks$value - ave(chicks$value, chicks$group, FUN = median))
kruskal <- kruskal.test(value ~ factor(group), chicks)
feed <- aov(weight ~ feed, chickwts)
one_way <- list(
  data = chicks,
  f = f, p = anova(fit)[1, "Pr(>F)"], noncentrality = noncentral(f, 5, 65),
  welch = list(f = welch$statistic[[1]], df_within = welch$parameter[[2]], p = welch$p.value),
  games_howell = games_howell(chicks$value, chicks$group),
  kruskal = list(h = kruskal$statistic[[1]], p = kruskal$p.value),
  dunn = dunn(chicks$value, chicks$group),
  brown_forsythe = unlist(anova(lm(deviations ~ group, chicks))[1, c("F value", "Pr(>F)")], use.names = FALSE),
  shapiro = unname(c(shapiro.test(resid(fit))$statistic, shapiro.test(resid(fit))$p.value)),
  letters = as.list(cld(glht(feed, linfct = mcp(feed = "Tukey")), decreasing = TRUE)$mcletters$Letters)
)

# 2. Items as blocks: made-up Likert means of 14 items and 4 systems, with an item effect; six cells missing, and one item
# with a single system.
set.seed(1)
cells <- expand.grid(item = sprintf("i%02d", 1:14), system = c("s1", "s2", "s3", "s4"), stringsAsFactors = FALSE)
item_effect <- rnorm(14, 0, .8)
gain <- c(s1 = 0, s2 = .2, s3 = .7, s4 = .5)
cells$value <- round(3 + item_effect[as.integer(factor(cells$item))] + gain[cells$system] + rnorm(56, 0, .5), 4)
complete <- cells
incomplete <- cells[-c(3, 18, 20, 35, 41, 55), ]
incomplete <- incomplete[!(incomplete$item == "i14" & incomplete$system != "s1"), ]
blocked <- function(data) {
  fit <- lm(value ~ item + system, data)
  list(f = anova(fit)["system", "F value"], p = anova(fit)["system", "Pr(>F)"], df_error = fit$df.residual,
       mean_square = sigma(fit)^2, means = as.data.frame(emmeans(fit, "system"))$emmean,
       pairs = tukey_rows(pairs(emmeans(fit, "system"), reverse = TRUE)))
}
wide <- do.call(cbind, split(complete$value, complete$system))
spherical <- anova(lm(wide ~ 1), X = ~1, test = "Spherical")
used <- incomplete[incomplete$item %in% names(which(table(incomplete$item) > 1)), ]
ranks <- t(apply(wide, 1, rank))
mean_ranks <- colMeans(ranks)
nemenyi <- do.call(rbind, apply(pairs_of(colnames(wide)), 1, function(pair) {
  d <- mean_ranks[[pair[2]]] - mean_ranks[[pair[1]]]
  error <- sqrt(4 * 5 / (12 * nrow(wide)))
  half <- qtukey(.95, 4, Inf) * error
  data.frame(first = pair[1], second = pair[2], difference = d, low = d - half, high = d + half,
             p_value = ptukey(abs(d) / error, 4, Inf, lower.tail = FALSE))
}))
within <- list(
  complete = c(list(data = complete), blocked(complete)),
  incomplete = c(list(data = incomplete), blocked(used)),
  greenhouse_geisser = list(epsilon = as.numeric(sub(".*: *", "", grep("Greenhouse", attr(spherical, "heading"), value = TRUE))),
                            p = spherical[1, "G-G Pr"]),
  nemenyi = nemenyi
)

# 3. The studentised range, corrections and Holm's and Hochberg's steps.
grid <- expand.grid(q = c(.5, 2, 3.5, 6), k = c(2, 4, 9), df = c(7, 15, 40, Inf)) # with fewer, R is off by up to 1e-4
grid$sf <- mapply(function(q, k, df) ptukey(q, k, df, lower.tail = FALSE), grid$q, grid$k, grid$df)
grid$df <- ifelse(is.infinite(grid$df), -1, grid$df) # JSON has no infinity
p <- c(.011, .62, .002, .04, .04, NA, .0004, .9, .013)

result <- list(
  made_with = paste(R.version.string, "emmeans", packageVersion("emmeans"), "multcomp", packageVersion("multcomp")),
  one_way = one_way, within = within, studentized_range = grid,
  noncentral = lapply(list(c(1.2, 3, 40), c(.1, 3, 40), c(30, 2, 200)), function(x) list(f = x[1], df = x[2:3], limits = noncentral(x[1], x[2], x[3]))),
  adjusted = list(p = p, holm = p.adjust(p, "holm"), bh = p.adjust(p, "BH"))
)
cat(toJSON(result, digits = 12, auto_unbox = TRUE, na = "null", dataframe = "columns"), "\n")
