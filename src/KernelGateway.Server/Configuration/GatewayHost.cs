using System.Runtime.InteropServices;
using KernelGateway.Core.Faults;
using KernelGateway.Server.Api;
using KernelGateway.Server.Hubs;
using KernelGateway.Server.Security;
using Microsoft.Extensions.Options;
using Serilog;

namespace KernelGateway.Server.Configuration;

/// <summary>Puts the gateway together, from configuration to routes.</summary>
public static partial class GatewayHost
{
    private const int SetDumpable = 4;

    /// <summary>Runs the gateway until it is told to stop; says in one sentence per problem why it cannot start.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        // Nobody of the same user may trace the process or find keys in a core file of it.
        _ = ProcessControl(SetDumpable, 0, 0, 0, 0);
        try
        {
            await using var app = Build(args);
            await app.RunAsync();
            return 0;
        }
        catch (Exception e) when (StartProblems(e) is { Count: > 0 } problems)
        {
            Console.Error.WriteLine("The gateway cannot start:");
            problems.ForEach(problem => Console.Error.WriteLine($"  - {problem}"));
            return 1;
        }
    }

    /// <summary>The whole application, ready to start. Tests use it with a configuration of their own.</summary>
    public static WebApplication Build(string[] args, Action<WebApplicationBuilder>? configure = null)
    {
        _ = SetFileMode(0b000_111_111); // What the gateway makes is its own: 0700 and 0600.
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });
        configure?.Invoke(builder);
        Fault.Arm(builder.Configuration.GetValue("Gateway:Faults:Enabled", false) ? Environment.GetEnvironmentVariable(Fault.Variable) : null);
        builder.Logging.ClearProviders();
        builder.Logging.AddSerilog(new LoggerConfiguration().ReadFrom.Configuration(builder.Configuration).CreateLogger(), dispose: true);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            var limits = kestrel.ApplicationServices.GetRequiredService<IOptions<LimitOptions>>().Value;
            kestrel.Limits.MaxRequestBodySize = limits.MaxBodyBytes;
            kestrel.Limits.MaxConcurrentConnections = limits.MaxConnections;
            kestrel.Limits.MaxConcurrentUpgradedConnections = limits.MaxConnections;
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(limits.HeaderSeconds);
        });
        builder.Services.AddGateway(builder.Configuration);

        var app = builder.Build();
        app.Services.GetService<IStartupValidator>()?.Validate(); // Before any service reads its own options: all errors together.
        app.UseMiddleware<RequestLog>();
        app.UseExceptionHandler();
        app.UseStatusCodePages();
        app.UseMiddleware<AnswerHeaders>();
        app.UseMiddleware<Origins>();
        app.UseCors();
        app.UseAuthentication();
        app.UseMiddleware<CallGuard>();
        app.UseAuthorization();
        app.MapOpenApi("/openapi/{documentName}.json");
        app.MapHealth();
        var api = app.MapGroup("/api/v1").RequireAuthorization();
        api.MapEnvironments();
        api.MapSandboxes();
        api.MapNetwork();
        api.MapExecutions();
        api.MapContexts();
        api.MapVariables();
        api.MapCommands();
        api.MapEvents();
        api.MapFiles();
        api.MapSnapshots();
        api.MapWebhooks();
        api.MapKeys();

        // The default of 10 s would cut a client on a slow line in the middle of a large event, again and again. One that is gone is noticed by its missing pings.
        app.MapHub<SandboxHub>("/hubs/sandboxes", hub => hub.TransportSendTimeout = TimeSpan.FromHours(1)).RequireAuthorization();
        return app;
    }

    private static List<string> StartProblems(Exception e) => e switch
    {
        AggregateException many => [.. many.InnerExceptions.SelectMany(StartProblems)],
        OptionsValidationException options => [.. options.Failures.Select(Plain)],
        InvalidDataException or IOException or UnauthorizedAccessException => [e.Message],
        InvalidOperationException { InnerException: FormatException format } => [$"{e.Message} {format.Message}"],
        _ => [],
    };

    /// <summary>Only our own sentence, of what the framework says around it.</summary>
    private static string Plain(string failure) =>
        failure.IndexOf("with the error: '", StringComparison.Ordinal) is >= 0 and var at ? failure[(at + "with the error: '".Length)..].TrimEnd('.').TrimEnd('\'') : failure;

    [LibraryImport("libc", EntryPoint = "umask")]
    private static partial uint SetFileMode(uint mask);

    [LibraryImport("libc", EntryPoint = "prctl")]
    private static partial int ProcessControl(int option, nuint value, nuint third, nuint fourth, nuint fifth);
}
